import { describe, expect, it } from '@jest/globals';
import { KafkaJSProtocolError, type RecordMetadata } from 'kafkajs';
import { PartitionQueues, type PartitionQueuesOptions } from './partition-queues.ts';
import { NoSessionError, type Delivery } from './sessions.ts';

const TOPIC = 'topic';
const TIMEOUT_MS = 1_000;

interface Sent extends Delivery {
  readonly topics: readonly string[];
  readonly values: readonly string[];
  readonly partitions: readonly number[];
  readonly confirm: () => void;
  readonly fail: (error: unknown) => void;
}

/** Queues whose sends the test answers. */
function given({ leaderOf = () => 1, ...limits }: Partial<PartitionQueuesOptions> = {}): {
  queues: PartitionQueues;
  sent: Sent[];
  at: (ms: number) => void;
} {
  let now = 0;
  const sent: Sent[] = [];
  const queues = new PartitionQueues(
    (batches, delivery) =>
      new Promise<RecordMetadata[]>((resolve, fail) => {
        const places = batches.flatMap(({ topic, messages }) =>
          [...new Set(messages.map(({ partition }) => partition))].map((partition) => ({ topic, partition })),
        );
        sent.push({
          ...delivery,
          topics: batches.map(({ topic }) => topic),
          partitions: places.map(({ partition }) => partition),
          values: batches.flatMap(({ messages }) => messages.map(({ value }) => String(value))),
          confirm: () =>
            resolve(places.map(({ topic, partition }) => ({ topicName: topic, partition, errorCode: 0 }))),
          fail,
        });
      }),
    { timeoutMs: TIMEOUT_MS, now: () => now, leaderOf, ...limits },
  );
  return { queues, sent, at: (ms) => (now = ms) };
}

/** Settled, or not yet, once everything that can happen by itself has happened. */
async function fateOf(sending: Promise<unknown>): Promise<'confirmed' | 'under way' | { error: unknown }> {
  return Promise.race([
    sending.then(
      () => 'confirmed' as const,
      (error: unknown) => ({ error }),
    ),
    turn().then(() => 'under way' as const),
  ]);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const message = (partition: number, value: string): { partition: number; value: string } => ({
  partition,
  value,
});

describe('the sends of a partition', () => {
  it('run one after the other in the order of the calls, while other leaders continue', async () => {
    const { queues, sent } = given({ leaderOf: (_, partition) => partition });
    const first = queues.send(TOPIC, [message(0, 'a')]);
    await turn();
    const second = queues.send(TOPIC, [message(0, 'b'), message(1, 'c')]);
    await turn();
    const third = queues.send(TOPIC, [message(1, 'd'), message(0, 'e')]);
    await turn();
    expect(sent.map(({ values }) => values)).toEqual([['a'], ['c']]);
    sent[1]?.confirm();
    await turn();
    expect(sent[2]?.values).toEqual(['d']);
    sent[0]?.confirm();
    expect(await fateOf(first)).toBe('confirmed');
    expect(sent[3]?.values).toEqual(['b', 'e']);
    sent[2]?.confirm();
    expect(await fateOf(third)).toBe('under way');
    sent[3]?.confirm();
    expect(await fateOf(second)).toBe('confirmed');
    expect(await fateOf(third)).toBe('confirmed');
  });

  it('share a request with simultaneous sends to the same leader, over all topics', async () => {
    const { queues, sent } = given({ leaderOf: (_, partition) => partition % 2 });
    void queues.send(TOPIC, [message(0, 'a'), message(1, 'b')]);
    void queues.send(TOPIC, [message(2, 'c')]);
    void queues.send('other', [message(0, 'd')]);
    await turn();
    expect(sent.map(({ topics, values }) => [topics, values])).toEqual([
      [
        [TOPIC, 'other'],
        ['a', 'c', 'd'],
      ],
      [[TOPIC], ['b']],
    ]);
  });

  it('wait while a request to their leader is under way, and then share a request in the order of the calls', async () => {
    const { queues, sent } = given({ leaderOf: () => 7 });
    const first = queues.send(TOPIC, [message(0, 'a')]);
    await turn();
    const others = ['b', 'c', 'd'].map((value, i) => queues.send(TOPIC, [message(i % 2, value)]));
    await turn();
    expect(sent.map(({ values }) => values)).toEqual([['a']]);
    sent[0]?.confirm();
    expect(await fateOf(first)).toBe('confirmed');
    expect(sent.slice(1).map(({ values }) => values)).toEqual([['c', 'b', 'd']]);
    expect(await Promise.all(others.map(fateOf))).toEqual(['under way', 'under way', 'under way']);
    sent[1]?.confirm();
    expect(await Promise.all(others.map(fateOf))).toEqual(['confirmed', 'confirmed', 'confirmed']);
  });

  it('exceed neither the bytes of a partition nor those of a request, unless a single call does', async () => {
    const { queues, sent } = given({ leaderOf: () => 7, maxPartitionBytes: 4, maxRequestBytes: 6 });
    const sends = ['aaaaa', 'bb', 'cc', 'd'].map((value) => queues.send(TOPIC, [message(0, value)]));
    sends.push(queues.send(TOPIC, [message(1, 'ee')]));
    const requests: string[][] = [];
    for (let i = 0; i < 3; i += 1) {
      await turn();
      requests.push([...(sent[i]?.values ?? [])]);
      sent[i]?.confirm();
    }
    expect(requests).toEqual([['aaaaa'], ['ee', 'bb', 'cc'], ['d']]);
    await Promise.all(sends);
  });
});

describe('a partition that accepts no messages', () => {
  it('fails its own call and no other, and is sent alone from then on, until it succeeds', async () => {
    const { queues, sent } = given();
    const bad = queues.send(TOPIC, [message(0, 'bad')]);
    const good = queues.send(TOPIC, [message(1, 'good')]);
    await turn();
    sent[0]?.fail(new Error('one of them has no leader'));
    await turn();
    expect(sent.slice(1)).toMatchObject([
      { values: ['bad'], apart: true },
      { values: ['good'], apart: true },
    ]);
    sent[2]?.confirm();
    expect(await fateOf(good)).toBe('confirmed');
    sent[1]?.fail(new Error('no leader'));
    expect(await fateOf(bad)).toMatchObject({ error: { code: 'PRODUCE_FAILED', retryable: true } });

    const both = queues.send(TOPIC, [message(0, 'bad again'), message(1, 'fine')]);
    await turn();
    const next = queues.send(TOPIC, [message(1, 'next')]);
    expect(sent.slice(3)).toMatchObject([
      { values: ['fine'], apart: false },
      { values: ['bad again'], apart: true },
    ]);
    sent[3]?.confirm();
    await turn();
    sent[5]?.confirm();
    expect(await fateOf(next)).toBe('confirmed');
    sent[4]?.confirm();
    expect(await fateOf(both)).toBe('confirmed');

    void queues.send(TOPIC, [message(0, 'well'), message(1, 'well')]);
    await turn();
    expect(sent[6]).toMatchObject({ partitions: [0, 1], apart: false });
  });

  it('does not cause the refusal of other messages when its own message is refused', async () => {
    const { queues, sent } = given();
    const large = queues.send(TOPIC, [message(0, 'large')]);
    const small = queues.send(TOPIC, [message(1, 'small')]);
    await turn();
    const refusal = new KafkaJSProtocolError(new Error('too large'));
    Object.assign(refusal, { type: 'MESSAGE_TOO_LARGE' });
    sent[0]?.fail(refusal);
    await turn();
    sent[1]?.fail(refusal);
    sent[2]?.confirm();
    expect(await fateOf(large)).toMatchObject({ error: { retryable: false } });
    expect(await fateOf(small)).toBe('confirmed');
  });

  it('delays the messages behind it no longer than their own time limit', async () => {
    const { queues, sent, at } = given();
    const stuck = queues.send(TOPIC, [message(0, 'stuck')]);
    await turn();
    at(400);
    const behind = queues.send(TOPIC, [message(0, 'behind')]);
    at(TIMEOUT_MS);
    sent[0]?.fail(new Error('no confirmation in time'));
    expect(await fateOf(stuck)).toMatchObject({ error: { code: 'PRODUCE_FAILED' } });
    expect(sent[1]).toMatchObject({ values: ['behind'], timeoutMs: 400 });
    const last = queues.send(TOPIC, [message(0, 'last')]);
    at(2 * TIMEOUT_MS);
    sent[1]?.fail(new Error('no confirmation in time'));
    expect(await fateOf(behind)).toMatchObject({ error: { code: 'PRODUCE_FAILED' } });
    expect(await fateOf(last)).toMatchObject({ error: { retryable: true } });
    expect(sent).toHaveLength(2);
  });
});

describe('a request of several calls that fails', () => {
  it('is repeated call by call, so that only the faulty call fails', async () => {
    const { queues, sent } = given();
    void queues.send(TOPIC, [message(0, 'first')]);
    await turn();
    const calls = ['good', 'too large', 'good too'].map((value) => queues.send(TOPIC, [message(0, value)]));
    for (const call of calls) call.catch(() => undefined);
    sent[0]?.confirm();
    await turn();
    expect(sent[1]).toMatchObject({ values: ['good', 'too large', 'good too'], apart: false });
    const refusal = new KafkaJSProtocolError(new Error('too large'));
    Object.assign(refusal, { type: 'MESSAGE_TOO_LARGE' });
    sent[1]?.fail(refusal);
    await turn();
    sent[2]?.confirm();
    await turn();
    sent[3]?.fail(refusal);
    await turn();
    sent[4]?.confirm();
    expect(sent.slice(2).map(({ values }) => values)).toEqual([['good'], ['too large'], ['good too']]);
    expect(await fateOf(calls[0]!)).toBe('confirmed');
    expect(await fateOf(calls[1]!)).toMatchObject({ error: { retryable: false } });
    expect(await fateOf(calls[2]!)).toBe('confirmed');
  });
});

describe('a send for which no producer can be opened', () => {
  it('fails at once with its cause, and marks no partition as failed', async () => {
    const { queues, sent } = given();
    const sending = queues.send(TOPIC, [message(0, 'a'), message(1, 'b')]);
    await turn();
    sent[0]?.fail(new NoSessionError(new Error('no broker')));
    expect(await fateOf(sending)).toMatchObject({
      error: { code: 'PRODUCE_FAILED', message: expect.stringContaining('no broker') },
    });
    void queues.send(TOPIC, [message(0, 'a'), message(1, 'b')]);
    await turn();
    expect(sent[1]).toMatchObject({ partitions: [0, 1], apart: false });
  });
});
