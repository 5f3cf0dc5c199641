/**
 * What becomes of a chunk.
 *
 * `done`: the effects of every message are durable. `retry`: those of the first `done` messages are; the rest is
 * processed again after `afterMs` milliseconds, in a chunk that starts with the first of them and may hold further
 * messages.
 */
export type Disposition =
  { readonly kind: 'done' } | { readonly kind: 'retry'; readonly done: number; readonly afterMs: number };

export const DONE: Disposition = Object.freeze({ kind: 'done' });
