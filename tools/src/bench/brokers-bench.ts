import { createKafka, kafkaConfigSchema, MessageProducer, ProduceError, type Kafka } from '@bulk/kafka';
import {
  OWN_PARTS,
  replicationVariables,
  resetStack,
  startStack,
  type ProcessName,
  type RunningStack,
} from '@bulk/local-stack';
import { delay, loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, KafkaLeaders, TopicReader } from '@bulk/testing';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';

export interface BrokersOptions {
  /** Number of restarts of a broker, in turn. */
  readonly restarts: number;
}

const STACK = 'bench-brokers';
const TOPIC = 'bench.windows';
const PARTITIONS = [0, 1, 2, 3, 4, 5];
const BROKERS: readonly ProcessName[] = ['kafka', 'kafka-2', 'kafka-3'];
/** Pause between two windows, so that a run of many restarts stays readable, in ms. */
const PAUSE_MS = 5;
const PAUSE_AFTER_FAILURE_MS = 300;
const READ_MS = 600_000;

interface Tally {
  readonly confirmed: Set<string>;
  failedSends: number;
  /** Number of sends that kafkajs resolved although it had left out partitions. */
  leftOut: number;
}

/**
 * Restarts the brokers of a cluster in turn while windows are sent.
 *
 * It compares what was confirmed with what Kafka holds.
 */
export async function benchBrokers(
  { restarts }: BrokersOptions,
  { signal, releasers }: CommandContext,
): Promise<void> {
  const screen = new Screen(process.stdout);
  const stack = await screen.step(
    'stack',
    async (note) => {
      await resetStack(STACK);
      const env = { ...process.env, ...OWN_PARTS };
      const started = await startStack({ name: STACK, log: note, env, brokers: BROKERS.length, signal });
      releasers.push('stack', () => started.stop());
      return started;
    },
    () => `${BROKERS.length} brokers up`,
  );
  const tally: Tally = { confirmed: new Set(), failedSends: 0, leftOut: 0 };
  const config = loadConfig(kafkaConfigSchema, {
    KAFKA_BROKERS: stack.urls.kafkaBrokers,
    ...replicationVariables(stack.urls),
  });
  const kafka = counting(createKafka('bench-brokers', config, silentLogger()), tally);
  await createTopic(kafka);
  const leaders = await KafkaLeaders.of(kafka, [TOPIC]);
  releasers.push('leaders', () => leaders.close());
  await screen.step(
    'restarts',
    (note) => whileSending(kafka, tally, signal, () => restartInTurn(stack, leaders, restarts, signal, note)),
    () => `${restarts} of a broker, one after the other`,
  );
  const found = await screen.step(
    'read',
    () => readAll(kafka),
    (values) => `${thousands(values.length)} messages are there`,
  );
  const there = new Set(found);
  const missing = [...tally.confirmed].filter((value) => !there.has(value)).length;
  screen.labelled('confirmed', thousands(tally.confirmed.size));
  screen.labelled('missing', `${thousands(missing)} of those confirmed`);
  screen.labelled('repeated', thousands(found.length - there.size));
  screen.labelled('failed', `${thousands(tally.failedSends)} sends, reported as such`);
  screen.labelled(
    'left out',
    `${thousands(tally.leftOut)} sends that kafkajs resolved without all partitions`,
  );
  if (missing > 0) throw new Error(`${missing} confirmed messages are not in Kafka`);
}

/**
 * Wraps the client to watch its producers: the caller of a MessageProducer does not see kafkajs'
 * own answers.
 */
function counting(kafka: Kafka, tally: Tally): Kafka {
  const create = kafka.producer.bind(kafka);
  kafka.producer = (options) => {
    const producer = create(options);
    const sendBatch = producer.sendBatch.bind(producer);
    producer.sendBatch = async (batch) => {
      const answer = await sendBatch(batch);
      const places = new Set(
        (batch.topicMessages ?? []).flatMap(({ topic, messages }) =>
          messages.map(({ partition }) => `${topic}/${partition}`),
        ),
      );
      for (const { topicName, partition } of answer) places.delete(`${topicName}/${partition}`);
      if (places.size > 0) tally.leftOut += 1;
      return answer;
    };
    return producer;
  };
  return kafka;
}

async function createTopic(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const numPartitions = PARTITIONS.length;
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions, replicationFactor: BROKERS.length }] });
  await admin.disconnect();
}

async function restartInTurn(
  stack: RunningStack,
  leaders: KafkaLeaders,
  restarts: number,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<void> {
  for (let i = 0; i < restarts; i += 1) {
    signal.throwIfAborted();
    const broker = BROKERS[i % BROKERS.length] ?? 'kafka';
    await stack.restart(broker);
    await leaders.untilInSync();
    note(`${i + 1} of ${restarts}`);
  }
}

/** Sends windows over all partitions, each once, until the work is done. */
async function whileSending(
  kafka: Kafka,
  tally: Tally,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const codec = { encode: (_: string, value: unknown) => Promise.resolve(Buffer.from(String(value))) };
  const producer = await MessageProducer.connect(kafka, codec, silentLogger());
  const done = new AbortController();
  const sending = (async () => {
    for (let window = 0; !done.signal.aborted && !signal.aborted; window += 1) {
      const messages = PARTITIONS.map((partition) => {
        const value = `${window}-${partition}`;
        return { key: value, value, partition };
      });
      try {
        await producer.send(TOPIC, messages);
        for (const { value } of messages) tally.confirmed.add(value);
        await delay(PAUSE_MS);
      } catch (error) {
        if (!(error instanceof ProduceError)) throw error;
        tally.failedSends += 1;
        await delay(PAUSE_AFTER_FAILURE_MS);
      }
    }
  })();
  try {
    await Promise.race([work(), sending.then(() => new Promise<never>(() => undefined))]);
  } finally {
    done.abort();
    await sending;
    await producer.disconnect();
  }
}

async function readAll(kafka: Kafka): Promise<string[]> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(TOPIC);
  await admin.disconnect();
  const expected = offsets.reduce((sum, { high }) => sum + Number(high), 0);
  const reader = await TopicReader.open(kafka, [TOPIC]);
  await eventually('all messages are read', () => reader.messages.length >= expected, {
    timeoutMs: READ_MS,
    everyMs: 200,
  });
  await reader.close();
  return reader.messages.map(({ message }) => String(message.value));
}
