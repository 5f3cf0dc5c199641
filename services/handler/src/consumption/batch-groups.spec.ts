import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityBatchContent } from '@bulk/contracts';
import { DONE, PartitionLostError, type Chunk, type ReceivedMessage } from '@bulk/kafka';
import fc from 'fast-check';
import { BatchProgress } from '../application/batch-progress.ts';
import type { LaneBatch } from '../application/lane-batch.ts';
import { BatchConsumer } from './batch-consumer.ts';
import type { MessageWork } from './message-work.ts';

type Given = Pick<EntityBatchContent, 'batchNo'> & {
  readonly accountId: string;
  readonly actionId: string;
  readonly entityType: string;
  readonly ids: readonly string[];
};

/** Message → its batch. A message without one cannot be decoded. */
let batches: Map<ReceivedMessage, Given>;
/** The messages whose action types process entities one by one. */
let alone: Set<ReceivedMessage>;
/** What a try does with a message. By default it is done. */
let effect: (work: MessageWork) => void;
/** The offsets of each call of `process`. */
let tried: number[][];
/** The monotonic clock, in ms. */
let time: number;
let consumer: BatchConsumer;

beforeEach(() => {
  reset();
});

function reset(): void {
  batches = new Map();
  alone = new Set();
  tried = [];
  time = 0;
  effect = (work) => {
    work.isDone = true;
  };
  consumer = new BatchConsumer(
    {
      open: ({ message }) => {
        const given = batches.get(message);
        return given === undefined
          ? Promise.reject(new Error('cannot be decoded'))
          : Promise.resolve(laneBatch(message, given));
      },
      try: (work) => {
        tried.at(-1)?.push(work.message.offset);
        effect(work);
        return Promise.resolve(false);
      },
    },
    { entityConcurrency: 1, monotonic: () => time },
  );
}

function laneBatch(
  message: ReceivedMessage,
  { accountId, actionId, entityType, batchNo, ids }: Given,
): LaneBatch {
  return {
    message,
    content: {
      identity: { actionId, accountId, actionType: 'update', entityType, lane: 'normal' },
      config: {},
      dryRun: false,
      cancelled: false,
      retry: null,
      rootActionId: null,
      changes: 'none',
      batchNo,
      entities: ids.map((id, position) => ({ position, id, ref: null, fields: {} })),
    },
    at: { lane: 'normal', partition: 0, offset: message.offset },
    generation: 0,
    policy: { maxAttempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    overtaken: false,
    progress: new BatchProgress(),
    firstTriedAt: 0,
    postponed: 0,
    isAlone: alone.has(message),
  };
}

function messageOf(offset: number, given: Given | undefined): ReceivedMessage {
  const message = { topic: 't', partition: 0, offset, key: null, value: null, headers: {} };
  if (given !== undefined) batches.set(message, given);
  return message;
}

/** Builds messages of batches that name these entities, each of an action of its own. */
const messagesOf = (...ids: readonly (readonly string[])[]): ReceivedMessage[] =>
  ids.map((each, offset) =>
    messageOf(offset, {
      accountId: 'acme',
      actionId: `a${offset}`,
      entityType: 'contact',
      batchNo: 0,
      ids: each,
    }),
  );

function process(messages: readonly ReceivedMessage[]): ReturnType<BatchConsumer['process']> {
  tried.push([]);
  const go = (): Promise<void> => Promise.resolve();
  const chunk: Chunk = {
    topic: 't',
    partition: 0,
    messages,
    highWatermark: 0,
    ending: new AbortController().signal,
    started: () => undefined,
    heartbeat: go,
    confirmOwnership: go,
  };
  return consumer.process(chunk);
}

const few = (prefix: string, max: number): fc.Arbitrary<string> => fc.nat(max).map((n) => `${prefix}${n}`);
const given: fc.Arbitrary<Given> = fc.record({
  accountId: few('account', 1),
  actionId: few('action', 5),
  entityType: few('type', 1),
  batchNo: fc.nat(3),
  ids: fc.uniqueArray(few('e', 40), { minLength: 0, maxLength: 4 }),
});

/** Returns whether two batches must not be in one group. */
function collide(one: Given, other: Given): boolean {
  if (one.actionId === other.actionId && one.batchNo === other.batchNo) return true;
  if (one.accountId !== other.accountId || one.entityType !== other.entityType) return false;
  return one.ids.some((id) => other.ids.includes(id));
}

describe('a group of batches', () => {
  it('is the longest run of messages at the head of the partition in which no entity occurs twice', async () => {
    const sizes = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(given, { freq: 12, nil: undefined }), {
          minLength: 1,
          maxLength: 12,
          size: 'max',
        }),
        async (all) => {
          reset();
          const messages = all.map((each, offset) => messageOf(offset, each));
          const disposition = await process(messages);
          const size = disposition.kind === 'done' ? messages.length : disposition.done;
          sizes.add(size);
          expect(tried).toEqual([Array.from({ length: size }, (_, offset) => offset)]);
          const group = all.slice(0, size);
          if (group[0] === undefined) {
            expect(size).toBe(1);
            return;
          }
          const decoded = group.filter((each) => each !== undefined);
          expect(decoded).toHaveLength(size);
          for (const [i, one] of decoded.entries())
            for (const other of decoded.slice(0, i)) expect(collide(one, other)).toBe(false);
          const next = all[size];
          if (size < all.length && next !== undefined)
            expect(decoded.some((one) => collide(one, next))).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
    // The generator covers small and large groups.
    expect(Math.max(...sizes)).toBeGreaterThan(5);
    expect(sizes.has(1)).toBe(true);
  });

  it('holds a single batch if its action type processes entities one by one', async () => {
    const messages = messagesOf(['a'], ['b'], ['c'], ['d']);
    alone.add(messages[1]!);
    expect(await process(messages)).toMatchObject({ done: 1 });
    expect(await process(messages.slice(1))).toMatchObject({ done: 1 });
    expect(await process(messages.slice(2))).toEqual(DONE);
    expect(tried).toEqual([[0], [1], [2, 3]]);
  });

  it('is followed at once by the next group when all of its messages are done', async () => {
    const messages = messagesOf(['a'], ['b'], ['a', 'c'], ['d']);
    expect(await process(messages)).toEqual({ kind: 'retry', done: 2, afterMs: 0 });
    expect(await process(messages.slice(2))).toEqual({ kind: 'done' });
    expect(tried).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('commits the messages before the first waiting one, and tries only unfinished messages', async () => {
    const messages = messagesOf(['a'], ['b'], ['c'], ['d']);
    effect = (work) => {
      work.isDone = work.message.offset % 2 === 0;
      work.dueAt = time + 10 * work.message.offset;
    };
    expect(await process(messages)).toEqual({ kind: 'retry', done: 1, afterMs: 10 });
    effect = (work) => {
      work.isDone = true;
    };
    // Each message waits for as long as its own policy says.
    time = 10;
    expect(await process(messages.slice(1))).toEqual({ kind: 'retry', done: 2, afterMs: 20 });
    time = 30;
    expect(await process(messages.slice(3))).toEqual({ kind: 'done' });
    expect(tried).toEqual([[0, 1, 2, 3], [1], [3]]);
  });

  it('takes no further messages while one of its messages waits', async () => {
    const messages = messagesOf(['a'], ['b'], ['c']);
    const open = messages.slice(0, 2);
    effect = (work) => {
      work.isDone = work.message.offset === 1;
    };
    expect(await process(open)).toMatchObject({ kind: 'retry', done: 0 });
    effect = (work) => {
      work.isDone = true;
    };
    expect(await process(messages)).toEqual({ kind: 'retry', done: 2, afterMs: 0 });
    expect(tried).toEqual([[0, 1], [0]]);
  });

  it('reports the number of batches that it tried', async () => {
    const took: number[] = [];
    const messages = messagesOf(['a'], ['b'], ['c']);
    const go = (): Promise<void> => Promise.resolve();
    await consumer.process(
      {
        topic: 't',
        partition: 0,
        messages,
        highWatermark: 0,
        ending: new AbortController().signal,
        started: () => undefined,
        heartbeat: go,
        confirmOwnership: go,
      },
      { took: (n) => took.push(n) },
    );
    expect(took).toEqual([3]);
  });

  it('ends when the partition is lost, after the work on all of its messages has ended', async () => {
    const lost = new PartitionLostError('t', 0, undefined);
    let ended = 0;
    consumer = new BatchConsumer(
      {
        open: ({ message }) => Promise.resolve(laneBatch(message, batches.get(message)!)),
        try: async ({ message }) => {
          if (message.offset === 0) throw lost;
          await new Promise((resolve) => setImmediate(resolve));
          ended += 1;
          return false;
        },
      },
      { entityConcurrency: 1, monotonic: () => time },
    );
    await expect(process(messagesOf(['a'], ['b'], ['c']))).rejects.toBe(lost);
    expect(ended).toBe(2);
  });
});
