/** What becomes of a query that is worth keeping: a panel of a board, or a view. */

import { useState } from 'react';
import { useBoards } from '../board';
import { Dialog, SelectField, TextField } from '../forms';
import { ApiError, api, type PanelType } from '../shared/api';
import { putHandoff } from '../shared/handoff';
import { isName, nameOf } from '../shared/names';
import { go } from '../shell';
import { rangeOf, type Suggestion } from './suggest';

const NEW_BOARD = '';

const TYPE_NAMES: Partial<Record<PanelType, string>> = {
  timeseries: 'Lines',
  bars: 'Bars',
  barlist: 'Ranking',
  stat: 'Number',
  table: 'Table',
};

interface SaveAsPanelProps {
  readonly sql: string;
  readonly chart: Suggestion | null;
  /** Whether the chart is what is looked at. */
  readonly drawn: boolean;
  readonly close: () => void;
}

/** Goes to the board's editor with the panel put on it; it is saved there, with a place of its own. */
export function SaveAsPanel({ sql, chart, drawn, close }: SaveAsPanelProps) {
  const boards = useBoards() ?? [];
  const [board, setBoard] = useState<string | null>(null);
  const [title, setTitle] = useState('');
  const [type, setType] = useState<PanelType>(drawn && chart !== null ? chart.type : 'table');
  const types: readonly PanelType[] = chart === null ? ['table'] : [chart.type, 'table'];
  const chosen = board ?? boards[0]?.id ?? NEW_BOARD;
  const take = () => {
    const range = rangeOf(sql);
    const options = type === chart?.type ? chart.options : {};
    const shown = type === 'timeseries' && range !== null ? { ...options, range } : options;
    const name = title.trim() || 'New panel';
    putHandoff({ type, title: name, sql, id: nameOf(name) || type, options: shown });
    go({ page: 'edit', board: chosen === NEW_BOARD ? null : chosen });
  };
  return (
    <Dialog
      title="Save as a panel"
      onClose={close}
      onSubmit={take}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button-primary">
            Put it on the board
          </button>
        </>
      }
    >
      <TextField label="Title" value={title} onChange={setTitle} placeholder="New panel" focus />
      <SelectField
        label="Board"
        value={chosen}
        onChange={setBoard}
        options={[...boards.map((each) => [each.id, each.title] as const), [NEW_BOARD, 'A new board']]}
      />
      <SelectField
        label="Drawn as"
        value={type}
        onChange={(next) => setType(next as PanelType)}
        options={types.map((each) => [each, TYPE_NAMES[each] ?? each])}
      />
    </Dialog>
  );
}

interface SaveAsViewProps {
  readonly sql: string;
  readonly timezone: string;
  readonly close: () => void;
}

export function SaveAsView({ sql, timezone, close }: SaveAsViewProps) {
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | undefined>();
  const [saved, setSaved] = useState(false);
  const save = async () => {
    if (!isName(name)) {
      setProblem('letters, digits and _ - . only, and a letter first');
      return;
    }
    try {
      await api.newView(name, sql, timezone);
      setSaved(true);
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      setProblem(error.message);
    }
  };
  return (
    <Dialog
      title={saved ? 'Saved' : 'Save as a view'}
      onClose={close}
      onSubmit={saved ? close : () => void save()}
      actions={
        saved ? (
          <button type="submit" className="button-primary">
            Close
          </button>
        ) : (
          <>
            <button type="button" className="button" onClick={close}>
              Cancel
            </button>
            <button type="submit" className="button-primary">
              Save
            </button>
          </>
        )
      }
    >
      {saved ? (
        <p>
          <code>{name}</code> is kept current from now on: panels may show it, and its channel is{' '}
          <code>view:{name}</code>.
        </p>
      ) : (
        <TextField
          label="Name"
          value={name}
          onChange={(text) => {
            setName(text);
            setProblem(undefined);
          }}
          problem={problem}
          hint="kept current from now on, whether anybody looks or not"
          placeholder="orders_today"
          focus
        />
      )}
    </Dialog>
  );
}
