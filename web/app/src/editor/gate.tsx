/** Who may come into the editor: at its address, others are told. */

import { mayEdit } from '../shared/rights';
import { useSession } from '../shared/session';
import { TopBar } from '../shell';
import { EditorPage } from './editorPage';

interface GateProps {
  readonly board: string | null;
  readonly panel: string | null;
}

export function EditorGate(props: GateProps) {
  if (mayEdit(useSession())) {
    return <EditorPage {...props} />;
  }
  return (
    <>
      <TopBar title="Not yours to edit" context=" " />
      <div className="page-message">
        <p>Boards are changed by editors and admins. You may look at all that you see.</p>
      </div>
    </>
  );
}
