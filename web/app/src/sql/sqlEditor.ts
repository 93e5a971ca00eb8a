/** The SQL editor: CodeMirror in the house's colours, with completion from the streams and errors marked in place. */

import { autocompletion, closeBrackets, closeCompletion, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { SQLDialect, sql } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { Annotation, Compartment, EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { type Catalogue, completionOf, NOTHING, wordCompletion } from './completion';
import { FUNCTIONS } from './functions';

/** What is coloured and completed. A short list: a column called `usage` is no keyword here. */
const dialect = SQLDialect.define({
  keywords:
    'select distinct from where group by having order limit offset as and or not in is null between like ilike case when then else end asc desc nulls first last interval over partition filter with union all exists cast extract true false on',
  types: 'int bigint smallint float double real decimal numeric varchar text string boolean timestamp date time',
  builtin: [...FUNCTIONS.keys(), 'current_date', 'current_timestamp'].join(' '),
  doubleDollarQuotedStrings: false,
  operatorChars: '*/+-%<>!=&|^~:',
});

export interface EditorOptions {
  readonly parent: HTMLElement;
  readonly text: string;
  readonly onRun: () => void;
  /** Hears what was typed, not what was put in from outside. */
  readonly onChange?: (text: string) => void;
}

function language(catalogue: Catalogue): Extension {
  const schema = Object.fromEntries(
    Object.entries(catalogue.streams).map(([stream, columns]) => [
      stream,
      columns.map(({ name, type }) => ({ label: name, type: 'property', detail: type })),
    ]),
  );
  return [
    sql({ dialect, schema, keywordCompletion: wordCompletion }),
    dialect.language.data.of({ autocomplete: completionOf(catalogue) }),
  ];
}

const theme = EditorView.theme(
  {
    '&': { color: 'var(--text-1)', backgroundColor: 'transparent', fontSize: '13px', height: '100%' },
    '&.cm-focused': { outline: 'none' },
    '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.6' },
    '.cm-content': { caretColor: 'var(--accent)', padding: '10px 0' },
    '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
    '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--text-3)', border: 'none', paddingLeft: '6px' },
    '.cm-placeholder': { color: 'var(--text-3)' },
    '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': {
      backgroundColor: 'color-mix(in srgb, var(--accent) 26%, transparent) !important',
    },
    '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--line-strong)', outline: 'none' },
    '.cm-tooltip': {
      backgroundColor: 'var(--raised)',
      border: '1px solid var(--line-strong)',
      borderRadius: '8px',
      overflow: 'hidden',
      color: 'var(--text-1)',
    },
    '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--font-mono)', fontSize: '12.5px' },
    '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
      backgroundColor: 'color-mix(in srgb, var(--accent) 24%, transparent)',
      color: 'var(--text-1)',
    },
    '.cm-diagnostic-error': { borderLeftColor: 'var(--critical)' },
    '.cm-lintRange-error': {
      backgroundImage: 'none',
      textDecoration: 'underline wavy var(--critical)',
      textUnderlineOffset: '4px',
    },
    '.cm-lintPoint-error:after': { borderBottomColor: 'var(--critical)' },
  },
  { dark: true },
);

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--series-1)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--series-2)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--series-4)' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--series-3)' },
  { tag: tags.comment, color: 'var(--text-3)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.operator], color: 'var(--text-2)' },
]);

/** Marks a change that came from outside of the editor. */
const put = Annotation.define<true>();

export class SqlEditor {
  readonly #view: EditorView;
  readonly #language = new Compartment();

  constructor({ parent, text, onRun, onChange }: EditorOptions) {
    const run = (view: EditorView) => {
      closeCompletion(view);
      onRun();
      return true;
    };
    this.#view = new EditorView({
      parent,
      state: EditorState.create({
        doc: text,
        extensions: [
          keymap.of([{ key: 'Mod-Enter', run }, ...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          lineNumbers(),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          placeholder('SELECT … FROM a_stream'),
          this.#language.of(language(NOTHING)),
          syntaxHighlighting(colours),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'SQL' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !update.transactions.some((each) => each.annotation(put) === true)) {
              onChange?.(update.state.doc.toString());
            }
          }),
          theme,
        ],
      }),
    });
  }

  get text(): string {
    return this.#view.state.doc.toString();
  }

  set text(value: string) {
    this.#view.dispatch({
      changes: { from: 0, to: this.#view.state.doc.length, insert: value },
      selection: { anchor: value.length },
      annotations: put.of(true),
    });
  }

  focus(): void {
    this.#view.focus();
  }

  insert(text: string): void {
    this.#view.dispatch(this.#view.state.replaceSelection(text));
    this.#view.focus();
  }

  /** Completes what is in the catalogue. */
  complete(catalogue: Catalogue): void {
    this.#view.dispatch({ effects: this.#language.reconfigure(language(catalogue)) });
  }

  /** Marks the word at a place (both from 1); null takes the mark away. */
  mark(place: { readonly line: number; readonly column: number } | null, message: string): void {
    const { doc } = this.#view.state;
    if (place === null || place.line < 1 || place.line > doc.lines) {
      this.#view.dispatch(setDiagnostics(this.#view.state, []));
      return;
    }
    const line = doc.line(place.line);
    const from = Math.min(line.to, line.from + Math.max(0, place.column - 1));
    const word = /^["\w]+|^\S/.exec(line.text.slice(from - line.from))?.[0] ?? '';
    const to = Math.min(line.to, from + word.length);
    this.#view.dispatch(setDiagnostics(this.#view.state, [{ from, to, severity: 'error', message }]));
  }

  destroy(): void {
    this.#view.destroy();
  }
}
