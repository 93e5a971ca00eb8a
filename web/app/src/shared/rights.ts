/** What somebody may do, by what the server says of them. It decides in any case; here it is only what is offered. */

export type Role = 'ingest' | 'viewer' | 'editor' | 'admin';

export interface Me {
  readonly id: string | null;
  readonly name: string;
  readonly role: Role;
  readonly channels: readonly string[];
  /** Whether they logged in, and may log out. */
  readonly login: boolean;
  /** The one board that they see, if they came by a link. */
  readonly share: { readonly board: string; readonly variables: { readonly [name: string]: string } } | null;
}

interface Standing {
  readonly me: Me | null;
}

/** Whether boards and views may be changed. Until the server has said otherwise, they may: it decides in any case. */
export function mayEdit({ me }: Standing): boolean {
  return me === null || ((me.role === 'editor' || me.role === 'admin') && mayAsk({ me }));
}

/** Whether queries of one's own may be asked. */
export function mayAsk({ me }: Standing): boolean {
  return me === null || me.channels.some((pattern) => pattern === '*' || pattern === 'sql:*');
}
