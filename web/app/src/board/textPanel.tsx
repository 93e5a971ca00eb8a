/**
 * A text that the board's author wrote: headings, paragraphs, lists, emphasis, code, links. A small part of Markdown, and never HTML.
 *
 * It shows no data and follows no channel.
 */

import { Fragment, type ReactNode } from 'react';
import type { Panel } from '../shared/api';

export function TextPanel({ panel }: { readonly panel: Panel }) {
  return <div className="prose">{blocks(panel.text ?? '')}</div>;
}

function blocks(text: string): ReactNode[] {
  // A heading is a line, whatever stands around it.
  const parts = text
    .replace(/^#{1,3}\s.*$/gm, '\n$&\n')
    .trim()
    .split(/\n\s*\n/);
  return parts.map((part, index) => {
    const key = `${index} ${part}`;
    const heading = /^(#{1,3})\s+(.*)$/.exec(part);
    if (heading !== null) {
      const Heading = heading[1]?.length === 1 ? 'h3' : 'h4';
      return <Heading key={key}>{inline(heading[2] ?? '')}</Heading>;
    }
    const lines = part.split('\n');
    if (lines.every((line) => /^\s*[-*]\s+/.test(line))) {
      return (
        <ul key={key}>
          {lines.map((line) => (
            <li key={line}>{inline(line.replace(/^\s*[-*]\s+/, ''))}</li>
          ))}
        </ul>
      );
    }
    return <p key={key}>{inline(lines.join(' '))}</p>;
  });
}

const INLINE = /(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\))/;

function inline(text: string): ReactNode[] {
  return text.split(INLINE).map((part, index) => {
    const key = `${index} ${part}`;
    if (/^\*\*.+\*\*$/.test(part)) {
      return <strong key={key}>{part.slice(2, -2)}</strong>;
    }
    if (/^\*.+\*$/.test(part)) {
      return <em key={key}>{part.slice(1, -1)}</em>;
    }
    if (/^`.+`$/.test(part)) {
      return <code key={key}>{part.slice(1, -1)}</code>;
    }
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part);
    const href = safeHref(link?.[2] ?? '');
    if (link !== null && href !== null) {
      return (
        <a key={key} href={href} rel="noreferrer">
          {link[1]}
        </a>
      );
    }
    return <Fragment key={key}>{part}</Fragment>;
  });
}

/** Where a board may lead: to a page of this app, or to the web. Never into a script. */
export function safeHref(href: string): string | null {
  if (/^(#|https?:\/\/|mailto:|\/(?!\/))/i.test(href)) {
    return href;
  }
  return /^[\w.-]+$/.test(href) ? `#/boards/${href}` : null;
}
