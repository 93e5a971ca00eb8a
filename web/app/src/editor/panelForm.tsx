/** Everything about one panel: its picture, live while the query is typed, the query, and how the columns are drawn. */

import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { PanelFeed } from '../board';
import { NumberField, SelectField, TextField } from '../forms';
import { api, type PanelType } from '../shared/api';
import { WarningIcon } from '../shared/icons';
import { type QueryProblem, SqlField, useCatalogue } from '../sql';
import { useStreams } from '../streams';
import { changePanel, changeType, type Draft, type DraftPanel, GRID_COLUMNS, type Place, placePanels } from './draft';
import type { FieldProblem } from './files';
import { compacted } from './layout';
import { OptionFields } from './optionFields';
import { TYPES, UNITS_KNOWN } from './optionSpecs';
import { Picture, type Scene } from './picture';
import { variablesOf } from './source';

interface PanelFormProps {
  readonly panel: DraftPanel;
  readonly scene: Scene;
  readonly problems: readonly FieldProblem[];
  readonly change: (draft: Draft, what: string, group?: string) => void;
}

export function PanelForm({ panel, scene, problems, change }: PanelFormProps) {
  const { draft } = scene;
  const { streams } = useStreams();
  const catalogue = useCatalogue(
    streams,
    variablesOf(draft).map(({ name }) => name),
  );
  const [refused, setRefused] = useState<QueryProblem | null>(null);
  const views = useViewNames();
  const columns = useColumns(scene.feed(panel.id));
  const onProblem = useCallback((problem: QueryProblem | null) => setRefused(problem), []);
  const index = draft.panels.findIndex(({ id }) => id === panel.id);
  const problemOf = (key: string) => problems.find((each) => each.key === `panels[${index}].${key}`)?.what;
  const set = (what: string, changed: Partial<DraftPanel>) =>
    change(changePanel(draft, panel.id, changed), what, `${panel.id}.${Object.keys(changed).join()}`);
  const place = (what: string, changed: Partial<Place>) => {
    const moved = changePanel(draft, panel.id, changed);
    change(placePanels(moved, compacted(moved.panels)), what, `${panel.id}.place`);
  };
  const fromView = panel.view !== undefined && panel.view !== null;
  return (
    <div className="ed-form">
      <div className="ed-form-main">
        <div className="ed-preview" data-type={panel.type} style={{ '--w': panel.w, '--h': panel.h } as never}>
          <Picture panel={panel} scene={scene} onProblem={onProblem} />
        </div>
        {panel.type === 'text' ? (
          <section className="panel ed-query" aria-label="Text">
            <textarea
              className="ed-markdown"
              aria-label="Text in Markdown"
              value={panel.text ?? ''}
              placeholder={'**Flash sale** until 18:00'}
              onChange={({ target }) => set('write the text', { text: target.value })}
            />
            <QueryFoot refused={null} problem={problemOf('text')} columns={[]} />
          </section>
        ) : (
          <section className="panel ed-query" aria-label="Query">
            <div className="segments ed-query-kind">
              <Choice pressed={!fromView} onChoose={() => set('ask in SQL', { view: null, sql: panel.sql ?? '' })}>
                SQL
              </Choice>
              <Choice pressed={fromView} onChoose={() => set('show a view', { sql: null, view: panel.view ?? '' })}>
                View
              </Choice>
            </div>
            {fromView ? (
              <div className="min-h-0 flex-1 p-4">
                <TextField
                  label="Name of the view"
                  value={panel.view ?? ''}
                  onChange={(view) => set('choose a view', { view })}
                  choices={views}
                  problem={problemOf('view')}
                  placeholder="orders_today"
                />
              </div>
            ) : (
              <SqlField
                value={panel.sql ?? ''}
                onChange={(sql) => set('change the query', { sql })}
                catalogue={catalogue}
                problem={refused}
                focus={(panel.sql ?? '') === ''}
              />
            )}
            <QueryFoot refused={refused} problem={problemOf('sql')} columns={columns} />
          </section>
        )}
      </div>
      <aside className="panel ed-side" aria-label="Panel">
        <TextField
          label="Title"
          value={panel.title}
          onChange={(title) => set('rename the panel', { title })}
          problem={problemOf('title')}
        />
        <SelectField
          label="Type"
          value={panel.type}
          onChange={(type) => change(changeType(draft, panel.id, type as PanelType), 'change the type')}
          options={TYPES.map(({ type, label, what }) => [type, `${label}: ${what.toLowerCase()}`])}
          problem={problemOf('type')}
        />
        <TextField
          label="Unit"
          value={panel.unit ?? ''}
          onChange={(unit) => set('change the unit', { unit })}
          choices={UNITS_KNOWN}
          placeholder="none"
          problem={problemOf('unit')}
        />
        <OptionFields draft={draft} panel={panel} columns={columns} change={change} problemOf={problemOf} />
        <PlaceFields panel={panel} place={place} />
        <ThresholdFields panel={panel} set={set} problemOf={problemOf} />
        <TextField
          label="Old after"
          value={panel.stale_after ?? ''}
          onChange={(text) => set('change when it is old', { stale_after: text })}
          placeholder="5s"
          hint="without newer events for this long it shows its age"
          problem={problemOf('stale_after')}
        />
        <NumberField
          label="Frames a second"
          value={panel.max_hz ?? undefined}
          onChange={(hz) => set('change the pace', { max_hz: hz ?? null })}
          placeholder="60"
          hint="at most"
          problem={problemOf('max_hz')}
        />
        <p className="field-hint">
          In the file it is <code>{panel.id}</code>.
        </p>
      </aside>
    </div>
  );
}

/** The names of the answer's columns, as they are now. */
function useColumns(feed: PanelFeed): readonly string[] {
  const text = useSyncExternalStore(
    useCallback((changed) => feed.listen(() => changed()), [feed]),
    () => feed.table.columns.map(({ name }) => name).join('\n'),
  );
  return useMemo(() => (text === '' ? [] : text.split('\n')), [text]);
}

/** The names of the views that there are. */
function useViewNames(): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    let over = false;
    api.views().then(
      (views) => over || setNames(views.map(({ name }) => name)),
      () => {},
    );
    return () => {
      over = true;
    };
  }, []);
  return names;
}

interface ChoiceProps {
  readonly pressed: boolean;
  readonly onChoose: () => void;
  readonly children: React.ReactNode;
}

function Choice({ pressed, onChoose, children }: ChoiceProps) {
  return (
    <button type="button" className="tab" aria-pressed={pressed} onClick={() => pressed || onChoose()}>
      {children}
    </button>
  );
}

interface QueryFootProps {
  readonly refused: QueryProblem | null;
  readonly problem: string | undefined;
  readonly columns: readonly string[];
}

function QueryFoot({ refused, problem, columns }: QueryFootProps) {
  const message = refused?.message ?? problem;
  return (
    <footer className="ed-query-foot">
      {message === undefined ? (
        <span className="truncate text-t3">{columns.length === 0 ? ' ' : `Columns: ${columns.join(', ')}`}</span>
      ) : (
        <p className="problem" role="alert">
          <WarningIcon size={13} />
          <span>
            {refused?.place == null ? null : <b>{`line ${refused.place.line}, column ${refused.place.column}: `}</b>}
            {message}
          </span>
        </p>
      )}
    </footer>
  );
}

type Set = (what: string, changed: Partial<DraftPanel>) => void;

interface PlaceFieldsProps {
  readonly panel: DraftPanel;
  readonly place: (what: string, changed: Partial<Place>) => void;
}

function PlaceFields({ panel, place }: PlaceFieldsProps) {
  const { x, y, w, h } = panel;
  return (
    <fieldset className="field ed-group">
      <legend>Place</legend>
      <div className="ed-four">
        <NumberField
          label="Column"
          whole
          min={1}
          max={GRID_COLUMNS - w + 1}
          value={x + 1}
          onChange={(column = 1) => place('move', { x: column - 1 })}
        />
        <NumberField
          label="Row"
          whole
          min={1}
          max={900}
          value={y + 1}
          onChange={(row = 1) => place('move', { y: row - 1 })}
        />
        <NumberField
          label="Wide"
          whole
          min={1}
          max={GRID_COLUMNS - x}
          value={w}
          onChange={(wide = 1) => place('resize', { w: wide })}
        />
        <NumberField
          label="High"
          whole
          min={1}
          max={60}
          value={h}
          onChange={(high = 1) => place('resize', { h: high })}
        />
      </div>
    </fieldset>
  );
}

interface ThresholdFieldsProps {
  readonly panel: DraftPanel;
  readonly set: Set;
  readonly problemOf: (key: string) => string | undefined;
}

function ThresholdFields({ panel, set, problemOf }: ThresholdFieldsProps) {
  const thresholds = panel.thresholds ?? {};
  const write = (name: 'warning' | 'critical', value: number | undefined) => {
    const { [name]: _, ...rest } = thresholds;
    set(`change where it is ${name}`, { thresholds: value === undefined ? rest : { ...rest, [name]: value } });
  };
  return (
    <fieldset className="field ed-group">
      <legend>Thresholds</legend>
      <div className="ed-two">
        <NumberField
          label="Warning from"
          value={thresholds.warning}
          onChange={(value) => write('warning', value)}
          placeholder="none"
          problem={problemOf('thresholds.warning')}
        />
        <NumberField
          label="Critical from"
          value={thresholds.critical}
          onChange={(value) => write('critical', value)}
          placeholder="none"
          problem={problemOf('thresholds.critical')}
        />
      </div>
    </fieldset>
  );
}
