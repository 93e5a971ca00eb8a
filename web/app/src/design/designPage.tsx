/**
 * The visual language on one page: tokens, controls, and every panel in every state, with made-up data that never changes.
 *
 * What is judged and compared is what ships: the page uses the same parts as the boards do.
 */

import { type ReactNode, useMemo } from 'react';
import { PanelFrame, PanelGrid, type PanelSpan, parseSpan } from '../board';
import { ClockIcon, OfflineIcon, PlayIcon, WarningIcon } from '../shared/icons';
import { CheckIcon, CloseIcon } from '../shared/rareIcons';
import { SettingsMenu } from '../shell/settingsMenu';
import { CLOCK } from './data';
import { CHARTS, LISTS, type Specimen, STATS } from './panels';
import { RICH } from './rich';

const COLOURS = [
  ['Grounds', ['bg', 'panel', 'raised', 'line', 'line-strong']],
  ['Text', ['text-1', 'text-2', 'text-3', 'accent']],
  ['Series', ['series-1', 'series-2', 'series-3', 'series-4', 'series-5', 'series-6', 'series-7', 'series-8']],
  ['Direction', ['up', 'down']],
  ['State', ['ok', 'warning', 'critical']],
] as const;

export function DesignPage() {
  return (
    <>
      <header className="top-bar">
        <div className="top-bar-title">
          <h1>Design</h1>
          <div>Tokens, controls, and every panel in every state</div>
        </div>
        <SettingsMenu />
      </header>
      <div className="design">
        <Section title="Colour">
          <Colours />
        </Section>
        <Section title="Type">
          <TypeScale />
        </Section>
        <Section title="Controls">
          <Controls />
        </Section>
        <Section title="The link">
          <Pills />
        </Section>
        <Section title="Numbers">
          <Specimens specimens={STATS} />
        </Section>
        <Section title="Charts">
          <Specimens specimens={CHARTS} />
        </Section>
        <Section title="Lists and text">
          <Specimens specimens={LISTS} />
        </Section>
        <Section title="Gauges and pictures">
          <Specimens specimens={RICH} />
        </Section>
        <Section title="Disconnected">
          <Specimens specimens={OFFLINE} offline />
        </Section>
      </div>
    </>
  );
}

const OFFLINE = [...STATS.slice(0, 1), ...STATS.slice(12, 13), ...CHARTS.slice(0, 1)].map(({ panel, ...rest }) => ({
  ...rest,
  panel: { ...panel, id: `offline ${panel.id}` },
}));

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="design-section" data-section={title} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Colours() {
  return (
    <div className="swatches">
      {COLOURS.map(([group, names]) => (
        <div key={group}>
          <h3>{group}</h3>
          <ul>
            {names.map((name) => (
              <li key={name}>
                <i style={{ background: `var(--${name})` }} />
                <span>{name}</span>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </div>
  );
}

function TypeScale() {
  return (
    <div className="type-scale">
      <span style={{ fontSize: 'var(--size-value)', fontWeight: 640, letterSpacing: '-0.025em' }}>1,284.50</span>
      <span style={{ fontSize: '15.5px', fontWeight: 640 }}>Page title</span>
      <span style={{ fontSize: 'var(--size-title)', fontWeight: 560, color: 'var(--text-2)' }}>Panel title</span>
      <span>Base text, 0123456789</span>
      <span style={{ fontSize: 'var(--size-small)', color: 'var(--text-3)' }}>Hint, 11:11:11</span>
      <span className="mono">SELECT count(*) FROM orders</span>
    </div>
  );
}

function Controls() {
  return (
    <div className="control-row">
      <button type="button" className="button">
        <ClockIcon size={14} /> Last 6 hours
      </button>
      <button type="button" className="button" disabled>
        Disabled
      </button>
      <button type="button" className="button-primary">
        Run <kbd>Ctrl ⏎</kbd>
      </button>
      <button type="button" className="icon-button" aria-label="Close">
        <CloseIcon size={14} />
      </button>
      <input className="input" style={{ width: 160 }} aria-label="A field" defaultValue="3h" />
      <input
        className="input"
        style={{ width: 160 }}
        aria-label="A wrong field"
        defaultValue="soon"
        aria-invalid="true"
      />
      <select className="input" style={{ width: 130 }} aria-label="A choice">
        <option>NVDA</option>
      </select>
      <span className="tabs">
        <button type="button" className="tab" aria-pressed="true">
          dark
        </button>
        <button type="button" className="tab" aria-pressed="false">
          light
        </button>
      </span>
      <kbd>g</kbd>
      <span className="state-pill" data-level="ok">
        <CheckIcon size={11} /> Paid
      </span>
      <span className="state-pill" data-level="warning">
        <WarningIcon size={11} /> Retry
      </span>
      <span className="state-pill" data-level="critical">
        <CloseIcon size={11} /> Failed
      </span>
    </div>
  );
}

function Pills() {
  return (
    <div className="control-row">
      <span className="pill" data-tone="ok">
        <i className="pill-dot" />
        <span className="pill-word">Live</span>
        <span className="pill-figure">9 ms</span>
      </span>
      <span className="pill" data-tone="ok">
        <i className="pill-dot" />
        <span className="pill-word">Polling</span>
        <span className="pill-figure">1.2 s</span>
      </span>
      <span className="pill" data-tone="warning">
        <OfflineIcon size={14} /> offline, last known 21:04:33, retrying in 3 s
      </span>
      <span className="pill" data-tone="quiet">
        <span className="pill-word">Connecting</span>
      </span>
      <span className="play" data-mode="live" data-connected="true">
        <i className="play-dot" /> LIVE
      </span>
      <span className="play" data-mode="paused" data-connected="true">
        <PlayIcon size={12} /> PAUSED
      </span>
      <span className="play" data-mode="past" data-connected="true">
        <PlayIcon size={12} /> PAST
      </span>
    </div>
  );
}

interface SpecimensProps {
  readonly specimens: readonly Specimen[];
  readonly offline?: boolean;
}

function Specimens({ specimens, offline = false }: SpecimensProps) {
  const placed = useMemo(() => flow(specimens), [specimens]);
  const byId = new Map(placed.map((each) => [each.panel.id, each]));
  return (
    <PanelGrid panels={placed.map(({ panel }) => panel)} offline={offline}>
      {(panel) => {
        const specimen = byId.get(panel.id);
        return specimen === undefined ? null : <One specimen={specimen} />;
      }}
    </PanelGrid>
  );
}

function One({ specimen }: { readonly specimen: Specimen }) {
  const { panel, source, notice, content } = specimen;
  const span = useMemo<PanelSpan>(
    () => ({ clock: CLOCK, range_ms: parseSpan(panel.options?.range) ?? 300_000, from_ms: null }),
    [panel],
  );
  return <PanelFrame panel={panel} source={source} notice={notice} zone="UTC" span={span} content={content} />;
}

/** Lays them out in rows of twelve columns, in their order. */
function flow(specimens: readonly Specimen[]): Specimen[] {
  let [x, y, tallest] = [0, 0, 0];
  return specimens.map(({ panel, ...rest }) => {
    if (x + panel.w > 12) {
      [x, y, tallest] = [0, y + tallest, 0];
    }
    const placed = { ...rest, panel: { ...panel, x, y } };
    x += panel.w;
    tallest = Math.max(tallest, panel.h);
    return placed;
  });
}
