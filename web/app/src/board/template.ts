/** Texts with values in them, as boards write them: `{used} of {total}`. */

import { unitText } from '@pulseboard/react/format';

/** Fills `{column}` with formatted values. A column that is unknown becomes an en dash. */
export function fillTemplate(
  template: string,
  value: (column: string) => number | null,
  unit: (column: string) => string,
): string {
  return template.replace(/\{(\w+)\}/g, (_, column: string) => unitText(value(column), unit(column)));
}

/** The columns that a text has values of. */
export function columnsIn(template: string): readonly string[] {
  return [...template.matchAll(/\{(\w+)\}/g)].map(([, column = '']) => column);
}
