/**
 * The live picture of a panel while its query is being typed: asked for when typing pauses, and the old picture stays
 * until there is a new one, however long the query is wrong meanwhile.
 *
 * Holds subscriptions, never data. One preview belongs to one panel on the screen.
 */

import type { Subscription } from '@pulseboard/client';
import { type QueryProblem, readProblem } from '../sql';

/** Typing pauses for this long before the query is asked. */
export const PAUSE_MS = 350;

/** What a panel shows and why it may not be what it says. */
export interface PreviewState {
  /** What is drawn; null while there has been nothing yet. */
  readonly shown: { readonly subscription: Subscription; readonly channel: string } | null;
  /** Why the query as it is now is not drawn. */
  readonly problem: QueryProblem | null;
  /** Whether what is drawn is not what the query says now. */
  readonly behind: boolean;
}

export interface PreviewWorld {
  /** Registers a query and gives its channel. */
  readonly ask: (query: PreviewQuery) => Promise<string>;
  readonly subscribe: (channel: string) => Subscription;
  /** Calls after some ms unless cancelled. */
  readonly after: (delay_ms: number, call: () => void) => () => void;
}

export interface PreviewQuery {
  readonly sql: string;
  readonly timezone: string;
  readonly params: { readonly [name: string]: string };
}

/** A query to register, or the channel of one that is there already. */
export type PreviewSource = { readonly query: PreviewQuery } | { readonly channel: string };

export class Preview {
  readonly #world: PreviewWorld;
  readonly #listeners = new Set<() => void>();
  #state: PreviewState = { shown: null, problem: null, behind: true };
  #wanted = '';
  #next: { readonly subscription: Subscription; readonly stop: () => void } | null = null;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(world: PreviewWorld) {
    this.#world = world;
  }

  get state(): PreviewState {
    return this.#state;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Shows this as soon as it can be shown. The same again does nothing. */
  show(source: PreviewSource): void {
    const wanted = JSON.stringify(source);
    if (wanted === this.#wanted || this.#closed) {
      return;
    }
    const first = this.#wanted === '';
    this.#wanted = wanted;
    this.#cancel();
    this.#dropNext();
    if ('channel' in source) {
      this.#follow(source.channel);
      return;
    }
    if (source.query.sql.trim() === '') {
      this.#set({ problem: null, behind: true });
      return;
    }
    this.#set({ behind: true });
    this.#cancel = this.#world.after(first ? 0 : PAUSE_MS, () => void this.#ask(source.query, wanted));
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#dropNext();
    this.#state.shown?.subscription.close();
    this.#listeners.clear();
  }

  async #ask(query: PreviewQuery, wanted: string): Promise<void> {
    try {
      const channel = await this.#world.ask(query);
      if (this.#wanted === wanted && !this.#closed) {
        this.#follow(channel);
      }
    } catch (error) {
      const problem = readProblem(error);
      if (this.#wanted === wanted && !this.#closed) {
        this.#set({ problem, behind: true });
      }
    }
  }

  /** Goes over to a channel once it has something to show; at once if nothing is shown yet. */
  #follow(channel: string): void {
    const { shown } = this.#state;
    if (shown?.channel === channel) {
      this.#set({ problem: null, behind: false });
      return;
    }
    const subscription = this.#world.subscribe(channel);
    const take = () => {
      this.#next = null;
      this.#state.shown?.subscription.close();
      this.#set({ shown: { subscription, channel }, problem: null, behind: false });
    };
    if (shown === null) {
      take();
      return;
    }
    const feed = subscription.channel(channel);
    const ready = () => feed.loaded || feed.state !== null || subscription.errors.size > 0;
    const stops: (() => void)[] = [];
    const stop = () => stops.forEach((each) => void each());
    const look = () => {
      if (ready() && this.#next?.subscription === subscription) {
        stop();
        take();
      }
    };
    this.#next = { subscription, stop };
    stops.push(feed.listen(look), subscription.onStatus(look));
    look();
  }

  #dropNext(): void {
    this.#next?.stop();
    this.#next?.subscription.close();
    this.#next = null;
  }

  #set(change: Partial<PreviewState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }
}
