/** The catalogue of streams as it is now, the same object for as long as nothing in it changes. */

import { useMemo } from 'react';
import type { StreamInfo } from '../shared/api';
import type { Catalogue } from './completion';

export function useCatalogue(streams: readonly StreamInfo[] | null, variables: readonly string[] = []): Catalogue {
  const text = JSON.stringify({
    streams: Object.fromEntries(
      (streams ?? []).map(({ name, schema: { fields } }) => [
        name,
        [{ name: 'time', type: 'time' }, ...fields.map((field) => ({ name: field.name, type: field.type }))],
      ]),
    ),
    variables,
  });
  return useMemo(() => JSON.parse(text) as Catalogue, [text]);
}
