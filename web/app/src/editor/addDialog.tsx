/** Which kind of panel is to be added. */

import { Dialog } from '../forms';
import type { NewPanel } from '../shared/handoff';
import { CloseIcon } from '../shared/rareIcons';
import { TYPES } from './optionSpecs';
import { TypePicture } from './typePicture';

interface AddDialogProps {
  readonly add: (panel: NewPanel) => void;
  readonly close: () => void;
}

export function AddDialog({ add, close }: AddDialogProps) {
  return (
    <Dialog
      title="Add a panel"
      wide
      onClose={close}
      actions={
        <button type="button" className="button" onClick={close}>
          <CloseIcon size={12} />
          Cancel
        </button>
      }
    >
      <div className="ed-types">
        {TYPES.map(({ type, label, what }) => (
          <button
            key={type}
            type="button"
            className="ed-type"
            onClick={() => {
              close();
              add({ type, title: `New ${label.toLowerCase()}`, ...(type === 'text' ? { text: '' } : { sql: '' }) });
            }}
          >
            <TypePicture type={type} />
            <b>{label}</b>
            <span>{what}</span>
          </button>
        ))}
      </div>
    </Dialog>
  );
}
