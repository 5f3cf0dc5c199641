import type { Consumer } from 'kafkajs';
import { ConsumerLag } from './lag.ts';
import { LagProbe, type LagProbeOptions } from './lag-probe.ts';

/** Is told how a consumer does; its functions never throw. */
export interface ConsumerRecorder {
  /** A chunk is processed, or put away, after so many seconds, all tries and waits included. */
  chunk(seconds: number, messages: number): void;
  /** A try of a chunk failed. */
  failed(): void;
  /** A commit of offsets took so many seconds. */
  committed(seconds: number): void;
  /** The group has given this member its partitions. */
  assigned(): void;
}

/** How a consumer is watched. */
export interface ConsumerInstruments {
  readonly recorder: ConsumerRecorder;
  readonly lag: ConsumerLag;
  /** Time between two looks how far the logs are, in ms. */
  readonly lagIntervalMs: number;
}

export const NO_INSTRUMENTS: Pick<ConsumerInstruments, 'recorder' | 'lag'> = {
  recorder: {
    chunk: () => undefined,
    failed: () => undefined,
    committed: () => undefined,
    assigned: () => undefined,
  },
  // Without partitions, since nobody tells it of any: it keeps nothing.
  lag: new ConsumerLag(),
};

/** Watches a consumer from its start; the function given back ends that, with its stop. */
export function watchConsumer(
  consumer: Consumer,
  { recorder, lag, lagIntervalMs }: ConsumerInstruments,
  probe: Omit<LagProbeOptions, 'lag' | 'intervalMs'>,
): () => Promise<void> {
  const { GROUP_JOIN, CRASH, REQUEST } = consumer.events;
  consumer.on(GROUP_JOIN, ({ payload }) => {
    lag.assigned(payload.memberAssignment);
    recorder.assigned();
  });
  // Whether the partitions are someone else's by now is known when it has joined again.
  consumer.on(CRASH, () => lag.clear());
  consumer.on(REQUEST, ({ payload }) => {
    if (payload.apiName === 'OffsetCommit') recorder.committed(payload.duration / 1_000);
  });
  const lagProbe = new LagProbe({ ...probe, lag, intervalMs: lagIntervalMs });
  lagProbe.start();
  return async () => {
    await lagProbe.stop();
    lag.clear();
  };
}
