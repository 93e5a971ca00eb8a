/** How to send events, as commands that can be pasted. */

import { useState } from 'react';
import type { StreamField } from '../shared/api';
import { CheckIcon, CopyIcon } from '../shared/rareIcons';

const COPIED_MS = 1_500;

/** A value that a field of this type takes. */
function sampleValue({ name, type }: StreamField): unknown {
  if (type === 'int') {
    return 1;
  }
  if (type === 'float') {
    return 1.5;
  }
  if (type === 'bool') {
    return true;
  }
  if (type === 'time') {
    return new Date().toISOString();
  }
  if (type.startsWith('decimal')) {
    return '10.00';
  }
  if (type.startsWith('list')) {
    return [];
  }
  return type === 'string' ? name : {};
}

/** An event like those that are already there. */
export function sampleEvent(fields: readonly StreamField[]): object {
  return Object.fromEntries(fields.slice(0, 6).map((field) => [field.name, sampleValue(field)]));
}

/** The command that sends one event; `base` is the absolute URL of `/api/v1/`. */
export function curlCommand(base: string, stream: string, event: object): string {
  const body = JSON.stringify(event).replaceAll("'", "'\\''");
  return `curl -X POST ${base}streams/${encodeURIComponent(stream)}/events \\\n  -d '${body}'`;
}

export function Command({ text }: { readonly text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <div className="command">
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <button type="button" className="icon-button" onClick={copy} aria-label={copied ? 'Copied' : 'Copy the command'}>
        {copied ? <CheckIcon size={14} /> : <CopyIcon size={14} />}
      </button>
    </div>
  );
}
