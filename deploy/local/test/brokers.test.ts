import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { OWN_PARTS } from '../src/env.ts';
import { type RunningStack, startStack } from '../src/index.ts';
import { stackPaths } from '../src/paths.ts';
import { pollUntil } from '../src/poll.ts';
import { inspectStack, resetStack } from '../src/stack.ts';
import { processesOf } from './stack-processes.ts';

jest.setTimeout(180_000);

const name = `test-brokers-${process.pid}`;
const TOPIC = 'replicated';
/** Uses a Kafka of its own; the other parts are those of the run. */
const env = { ...process.env, KAFKA_BROKERS: OWN_PARTS.KAFKA_BROKERS };

let stack: RunningStack;
let admin: Admin;
beforeAll(async () => {
  stack = await startStack({ name, env, brokers: 3 });
  const kafka = new Kafka({
    clientId: 'brokers-test',
    brokers: stack.urls.kafkaBrokers.split(','),
    logLevel: logLevel.NOTHING,
  });
  admin = kafka.admin();
  await admin.connect();
}, 180_000);
afterAll(async () => {
  await admin.disconnect();
  await resetStack(name);
});

/** Returns the number of brokers that are in sync, for each partition. */
async function inSync(): Promise<number[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
  return topics.flatMap(({ partitions }) => partitions.map(({ isr }) => isr.length));
}

const untilInSync = (expected: readonly number[]): Promise<void> =>
  pollUntil(async () => expect(await inSync()).toEqual(expected), { timeoutMs: 60_000 });

describe('a stack with three brokers', () => {
  it('replicates topics as its services request', async () => {
    expect(stack.urls.kafkaBrokers.split(',')).toHaveLength(3);
    expect(processesOf(name)).toHaveLength(3);
    const variables = readFileSync(stackPaths(name).env, 'utf8');
    expect(variables).toContain('KAFKA_REPLICATION_FACTOR=3\nKAFKA_MIN_INSYNC_REPLICAS=2\n');
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2, replicationFactor: 3 }] });
    await untilInSync([3, 3]);
  });

  it('halts and resumes one broker by name, also from an attached process', async () => {
    const attached = await startStack({ name, env });
    expect(attached).toMatchObject({ attached: true, urls: stack.urls });
    await stack.halt('kafka-2');
    expect((await inspectStack(name))?.health).toContainEqual(
      expect.objectContaining({ name: 'kafka-2', problem: 'halted' }),
    );
    expect(processesOf(name)).toHaveLength(2);
    await untilInSync([2, 2]);
    await attached.resume('kafka-2');
    await untilInSync([3, 3]);
  });

  it('refuses to attach with another number of brokers', async () => {
    await expect(startStack({ name, env, brokers: 1 })).rejects.toMatchObject({ code: 'BROKERS_MISMATCH' });
  });

  it('ends as a whole when one broker dies, and names the log of that broker', async () => {
    const broker = (await inspectStack(name))?.state.parts['kafka-3'];
    process.kill(broker?.kind === 'managed' ? (broker.process?.pid ?? 0) : 0, 'SIGKILL');
    expect(await stack.closed).toMatchObject({
      code: 'PART_DIED',
      message: expect.stringContaining(stackPaths(name).log('kafka-3')),
    });
    expect(processesOf(name)).toEqual([]);
  });

  it('refuses to start with its data and another number of brokers', async () => {
    await expect(startStack({ name, env, brokers: 5 })).rejects.toMatchObject({
      code: 'BROKERS_MISMATCH',
      message: expect.stringContaining('has data of 3 brokers, not of 5'),
      remedy: expect.stringContaining('reset'),
    });
    expect(processesOf(name)).toEqual([]);
  });
});
