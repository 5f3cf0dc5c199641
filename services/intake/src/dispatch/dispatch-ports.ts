import type { MessageProducer } from '@bulk/kafka';
import type { DispatchStore } from './dispatch-store.ts';
import type { SharedWindows } from './shared-windows.ts';
import type { SkipStore } from './skip-store.ts';

/** The part of `MessageProducer` that the dispatch uses. */
export type DispatchProducer = Pick<MessageProducer, 'send'>;

/** The part of `SkipStore` that the dispatch uses. */
export type SkipPort = Pick<SkipStore, keyof SkipStore>;

/**
 * The part of `DispatchStore` that the dispatch uses.
 *
 * The simulation of a cluster (`npm run bench -- simulate`) runs the dispatcher on a store of its own.
 */
export interface DispatchPort extends Omit<DispatchStore, 'windows' | 'skips'> {
  readonly windows: Pick<SharedWindows, 'exchange'>;
  readonly skips: SkipPort;
}
