import type { Consumer } from 'kafkajs';
import { ConsumerLag } from './lag.ts';
import { LagProbe, type LagProbeOptions } from './lag-probe.ts';

/** Records what a consumer does. Its functions never throw. */
export interface ConsumerRecorder {
  /**
   * Records that a chunk was processed or dead-lettered, with its duration in seconds, all tries and waits included.
   */
  chunk(seconds: number, messages: number): void;
  /** Records that a try of a chunk failed. */
  failed(): void;
  /** Records the duration of a commit of offsets, in seconds. */
  committed(seconds: number): void;
  /** Records that the group has assigned partitions to this member. */
  assigned(): void;
}

/** How a consumer is watched. */
export interface ConsumerInstruments {
  readonly recorder: ConsumerRecorder;
  readonly lag: ConsumerLag;
  /** Time between two requests for the ends of the logs, in ms. */
  readonly lagIntervalMs: number;
}

export const NO_INSTRUMENTS: Pick<ConsumerInstruments, 'recorder' | 'lag'> = {
  recorder: {
    chunk: () => undefined,
    failed: () => undefined,
    committed: () => undefined,
    assigned: () => undefined,
  },
  // It never gets partitions, so it keeps nothing.
  lag: new ConsumerLag(),
};

/** Watches a consumer from its start. @returns a function that stops the watch; call it when the consumer stops. */
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
  // The group may have assigned the partitions to another member; the next join shows it.
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
