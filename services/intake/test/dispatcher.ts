import { randomUUID } from 'node:crypto';
import type { MessageProducer } from '@bulk/kafka';
import { Health, silentLogger } from '@bulk/runtime';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { Dispatcher, type DispatcherOptions } from '../src/dispatch/dispatcher.ts';
import type { IntakeHarness } from './harness.ts';

export const LEASE_MS = 10_000;

/** Creates a dispatcher without limits except those that a test sets. It stops with the harness. */
export function dispatcherOf(harness: IntakeHarness, options: Partial<DispatcherOptions> = {}): Dispatcher {
  const one = new Dispatcher({
    store: new DispatchStore(harness.database, LEASE_MS, () => new Date()),
    producer: harness.producer,
    topics: harness.installation.topics,
    window: { batches: 2, bytes: 1_000_000 },
    // Every batch counts as a full one.
    batchSize: 1,
    maxInFlight: 1_000,
    maxPostponed: 1_000,
    ...limits(1_000, 10_000),
    staleMs: 60_000,
    onChanged: () => undefined,
    leaseMs: LEASE_MS,
    monotonic: () => performance.now(),
    instanceId: randomUUID(),
    concurrency: 50,
    parallelWindows: 4,
    retryDelayMs: 5_000,
    pollMs: 10,
    health: new Health(),
    log: silentLogger(),
    ...options,
  });
  harness.installation.onDispose(() => one.stop());
  return one;
}

/** Limits what may be in flight of an account in a lane, and of a lane whatever the times are. */
export function limits(
  account: number,
  lane: number,
): Pick<DispatcherOptions, 'maxInFlightOfAccount' | 'laneWindow'> {
  return {
    maxInFlightOfAccount: account,
    laneWindow: { min: lane, max: lane, tolerance: 2, probeEveryMs: 10_000 },
  };
}

/** Creates a producer whose sends hang where the test wants it, until they are released. */
export function hangingProducer(
  producer: MessageProducer,
  hangs: (topic: string, keys: readonly unknown[]) => boolean,
): { readonly producer: MessageProducer; readonly hanging: () => number; readonly release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let hanging = 0;
  const proxy = new Proxy(producer, {
    get: (target, name): unknown => {
      const own: unknown = Reflect.get(target, name, target);
      if (typeof own !== 'function') return own;
      if (name !== 'send') return own.bind(target) as unknown;
      return async (...args: Parameters<MessageProducer['send']>): Promise<void> => {
        if (
          hangs(
            args[0],
            args[1].map(({ key }) => key),
          )
        ) {
          hanging += 1;
          await released;
        }
        await target.send(...args);
      };
    },
  });
  return { producer: proxy, hanging: () => hanging, release: () => release() };
}
