import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '@bulk/runtime';
import type { Kafka, RecordMetadata } from 'kafkajs';
import { NoSessionError, ProducerSessions, type TopicMessages } from './sessions.ts';

const TOPIC = 'topic';
const SHARED = { apart: false, timeoutMs: 10_000 };
const APART = { ...SHARED, apart: true };

class FakeProducer {
  connected = false;
  readonly sends: { confirm: (...partitions: number[]) => void; fail: (error: Error) => void }[] = [];

  connect(): Promise<void> {
    this.connected = true;
    return Promise.resolve();
  }

  disconnect(): Promise<void> {
    this.connected = false;
    return Promise.resolve();
  }

  sendBatch(): Promise<RecordMetadata[]> {
    return new Promise((resolve, fail) => {
      const confirm = (...partitions: number[]): void =>
        resolve(partitions.map((partition) => ({ topicName: TOPIC, partition, errorCode: 0 })));
      this.sends.push({ confirm, fail });
    });
  }
}

function given(): { sessions: ProducerSessions; producers: FakeProducer[] } {
  const producers: FakeProducer[] = [];
  const kafka = {
    producer: () => {
      const producer = new FakeProducer();
      producers.push(producer);
      return producer;
    },
  } as unknown as Kafka;
  return { sessions: new ProducerSessions(kafka, silentLogger()), producers };
}

const to = (...partitions: number[]): TopicMessages[] => [
  { topic: TOPIC, messages: partitions.map((partition) => ({ partition, value: 'x' })) },
];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a session in which a send failed', () => {
  it('gets no further sends, and closes when the sends under way are confirmed', async () => {
    const { sessions, producers } = given();
    const other = sessions.send(to(1), SHARED);
    const failing = sessions.send(to(0), SHARED);
    await turn();
    producers[0]?.sends[1]?.fail(new Error('no leader'));
    await expect(failing).rejects.toThrow('no leader');
    const next = sessions.send(to(0), SHARED);
    await turn();
    expect(producers.map(({ connected }) => connected)).toEqual([true, true]);
    producers[0]?.sends[0]?.confirm(1);
    await expect(other).resolves.toMatchObject([{ partition: 1 }]);
    producers[1]?.sends[0]?.confirm(0);
    await expect(next).resolves.toMatchObject([{ partition: 0 }]);
    expect(producers.map(({ connected }) => connected)).toEqual([false, true]);
  });

  it('includes a session whose answer omits a partition', async () => {
    const { sessions, producers } = given();
    const leftOut = sessions.send(to(0, 1), SHARED);
    await turn();
    producers[0]?.sends[0]?.confirm(1);
    await expect(leftOut).resolves.toMatchObject([{ partition: 1 }]);
    await turn();
    expect(producers[0]?.connected).toBe(false);
  });

  it('includes a session whose answer does not arrive in time', async () => {
    const { sessions, producers } = given();
    await expect(sessions.send(to(0), { ...SHARED, timeoutMs: 5 })).rejects.toThrow('in time');
    // kafkajs is still sending.
    expect(producers[0]?.connected).toBe(true);
    producers[0]?.sends[0]?.fail(new Error('no leader'));
    await turn();
    expect(producers[0]?.connected).toBe(false);
  });
});

describe('a session for partitions that fail', () => {
  it('does not affect the shared session, and closes when it is idle', async () => {
    const { sessions, producers } = given();
    const well = sessions.send(to(1), SHARED);
    const failing = sessions.send(to(0), APART);
    const recovering = sessions.send(to(2), APART);
    await turn();
    producers[1]?.sends[1]?.confirm(2);
    await recovering;
    expect(producers[1]?.connected).toBe(true);
    producers[1]?.sends[0]?.fail(new Error('no leader'));
    await expect(failing).rejects.toThrow('no leader');
    await turn();
    expect(producers.map(({ connected }) => connected)).toEqual([true, false]);
    producers[0]?.sends[0]?.confirm(1);
    await well;
    const next = sessions.send(to(1), SHARED);
    await turn();
    producers[0]?.sends[1]?.confirm(1);
    await next;
    expect(producers).toHaveLength(2);
  });
});

describe('closed sessions', () => {
  it('fail the sends under way, and do not open again', async () => {
    const { sessions, producers } = given();
    const sending = sessions.send(to(0), SHARED);
    await turn();
    await Promise.all([
      expect(sending).rejects.toBeInstanceOf(NoSessionError),
      sessions.close().then(() => expect(producers[0]?.connected).toBe(false)),
    ]);
    await expect(sessions.send(to(0), SHARED)).rejects.toBeInstanceOf(NoSessionError);
    await expect(sessions.ready()).rejects.toBeInstanceOf(NoSessionError);
    expect(producers).toHaveLength(1);
  });
});
