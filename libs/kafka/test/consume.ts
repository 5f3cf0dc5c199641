import { loadConfig, silentLogger } from '@bulk/runtime';
import type { TestInstallation } from '@bulk/testing';
import { z } from 'zod';
import { consumerConfigShape } from '../src/client/config.ts';
import { ChunkConsumer, type Chunk, type ChunkConsumerOptions } from '../src/consumer/chunk-consumer.ts';
import { DONE } from '../src/consumer/disposition.ts';

/** The shortest session that the broker allows, in ms. */
export const SESSION_MS = 6_000;
export const HEARTBEAT_MS = 500;

export type Behaviour = Partial<ChunkConsumerOptions> & Pick<ChunkConsumerOptions, 'process'>;

/** Returns the consumer group of all consumers of an installation. */
export const groupOf = (own: TestInstallation): string => `${own.env['TOPIC_PREFIX']!}group`;

/** Options in which `process` has done its chunk when it ends. */
export type Work = Omit<Behaviour, 'process'> & { readonly process: (chunk: Chunk) => Promise<void> };

/** Starts a consumer of the results topic, which has three partitions. It stops with the installation. */
export async function startConsumer(
  own: TestInstallation,
  behaviour: Behaviour,
  env: Readonly<Record<string, string>> = {},
): Promise<ChunkConsumer> {
  const consumer = await ChunkConsumer.start({
    kafka: own.kafka,
    groupId: groupOf(own),
    topics: [own.topics.results],
    config: loadConfig(z.object(consumerConfigShape), {
      KAFKA_SESSION_TIMEOUT_MS: String(SESSION_MS),
      KAFKA_HEARTBEAT_INTERVAL_MS: String(HEARTBEAT_MS),
      ...env,
    }),
    chunkSize: 1,
    concurrency: 3,
    fromBeginning: true,
    commitIntervalMs: 50,
    backoff: { initialDelayMs: 5, maxDelayMs: 20 },
    onCrash: (error) => {
      throw error;
    },
    log: silentLogger(),
    ...behaviour,
  });
  own.onDispose(() => consumer.stop());
  return consumer;
}

/** Starts a consumer like `startConsumer` whose chunks are done when `process` ends. */
export const startWorker = (
  own: TestInstallation,
  { process, ...options }: Work,
  env?: Readonly<Record<string, string>>,
): Promise<ChunkConsumer> =>
  startConsumer(
    own,
    {
      ...options,
      process: async (chunk) => {
        await process(chunk);
        return DONE;
      },
    },
    env,
  );

/** Sends `count` messages of `bytes` to a partition. */
export async function send(
  own: TestInstallation,
  partition: number,
  count: number,
  bytes = 1,
): Promise<void> {
  const producer = own.kafka.producer();
  await producer.connect();
  // One record set each, so that a fetch can be cut between any two.
  for (let i = 0; i < count; i += 1)
    await producer.send({
      topic: own.topics.results,
      messages: [{ value: Buffer.alloc(bytes), partition }],
    });
  await producer.disconnect();
}

/** Returns the committed offset of each partition of the results topic; -1 if there is none. */
export async function committed(own: TestInstallation): Promise<Map<number, number>> {
  const admin = own.kafka.admin();
  await admin.connect();
  try {
    const [offsets] = await admin.fetchOffsets({ groupId: groupOf(own), topics: [own.topics.results] });
    return new Map(offsets?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  } finally {
    await admin.disconnect();
  }
}

/** Returns a promise, and the function that resolves it. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
