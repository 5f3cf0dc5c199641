import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { encodeBatchResult, entityBatchEncoder, HEADERS, MESSAGES, type DeadLetter } from '@bulk/contracts';
import { CodedError, failure, success, type Outcome } from '@bulk/domain';
import { DeadLetters, type MessageCodec } from '@bulk/kafka';
import type { Database } from '@bulk/mongo';
import { eventually, TestInstallation, TopicReader } from '@bulk/testing';
import { openDesk, type OpenDesk } from '../src/operator/dlq/open.ts';
import type { LetterFilter } from '../src/operator/dlq/letter.ts';
import type { ListedLetter } from '../src/operator/dlq/desk.ts';
import { contentOf, summaryOf, tableWriter } from '../src/operator/dlq/view.ts';

jest.setTimeout(120_000);

let installation: TestInstallation;
let database: Database;
let codec: MessageCodec;
let open: OpenDesk;
let lane: TopicReader;
let results: TopicReader;
const identity = {
  actionId: randomUUID(),
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  lane: 'normal',
} as const;
const { actionId } = identity;

beforeEach(async () => {
  installation = await TestInstallation.create('dlq');
  database = await installation.database();
  codec = await installation.codec();
  open = await openDesk(installation.env, database);
  lane = await TopicReader.open(installation.kafka, [installation.topics.entityBatches.normal]);
  results = await TopicReader.open(installation.kafka, [installation.topics.results]);
  installation.onDispose(() => lane.close());
  installation.onDispose(() => results.close());
});
afterEach(() => installation.dispose());

async function deadLetter(
  service: string,
  topic: string,
  value: Buffer,
  headers: Record<string, string>,
  code = 'MALFORMED_MESSAGE',
): Promise<void> {
  const letters = new DeadLetters(
    await installation.producer(codec),
    installation.topics.deadLetters,
    service,
  );
  const message = { topic, partition: 1, offset: 7, key: Buffer.from(actionId), value, headers };
  await letters.add({ message, error: new CodedError(code, 'broken'), attempts: 3 });
}

/** Returns everything that `list` gives. */
async function listed(...of: [filter: LetterFilter, all: boolean]): Promise<ListedLetter[]> {
  const found: ListedLetter[] = [];
  await open.desk.list(...of, (some) => void found.push(...some));
  return found;
}

const batchBytes = (): Promise<Buffer> =>
  codec.encode(
    installation.topics.entityBatches.normal,
    entityBatchEncoder(identity, {})({ batchNo: 4, entities: [] }),
  );
const resultBytes = (outcome: Outcome): Promise<Buffer> => {
  const source = { topic: installation.topics.entityBatches.normal, partition: 1, offset: 7 };
  const outcomes = [{ position: 0, entityId: 'e0', ref: null, outcome, attempts: 1 }];
  return codec.encode(
    installation.topics.results,
    encodeBatchResult({ identity, batchNo: 4 }, source, outcomes, new Date(0)),
  );
};
const BATCH = { 'action-id': actionId, 'batch-no': '4' };

describe('dead letters', () => {
  it('are listed until they are resolved, by service, code and action, and shown decoded or in hex', async () => {
    const { topics } = installation;
    const { desk } = open;
    expect(await listed({}, true)).toEqual([]);
    await deadLetter('handler', topics.entityBatches.normal, await batchBytes(), BATCH, 'FENCE_AHEAD_OF_LOG');
    await deadLetter('stats-aggregator', topics.results, Buffer.from([1, 255]), {});
    const ids = async (filter: LetterFilter, all = false) =>
      (await listed(filter, all)).map(({ letter }) => letter.id);
    expect(await ids({})).toEqual(['0:0', '0:1']);
    expect(await ids({ service: 'handler' })).toEqual(['0:0']);
    expect(await ids({ code: 'MALFORMED_MESSAGE' })).toEqual(['0:1']);
    expect(await ids({ action: actionId })).toEqual(['0:0']);
    const lines = tableWriter()(await listed({}, false));
    expect(lines[1]).toMatch(
      new RegExp(`^0:0 .*handler +FENCE_AHEAD_OF_LOG +3 .*/1/7 +${actionId}:4 +open$`),
    );

    const shown = await contentOf(await desk.show('0:0'), open.topics, codec);
    expect(shown).toMatchObject({ headers: BATCH, decoded: { actionId, batchNo: 4 } });
    expect(await contentOf(await desk.show('0:1'), open.topics, codec)).toMatchObject({ hex: '01ff' });
    await expect(desk.show('0:9')).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });

    expect((await desk.drop({ ids: ['0:1'], filter: {} })).done).toEqual([{ id: '0:1' }]);
    expect((await desk.drop({ ids: ['0:1'], filter: {} })).done).toEqual([{ id: '0:1' }]);
    expect(await ids({})).toEqual(['0:0']);
    expect(await ids({}, true)).toEqual(['0:0', '0:1']);
    expect(summaryOf(await desk.show('0:1'))).toMatchObject({ state: 'dropped' });
    await expect(desk.drop({ ids: [], filter: {} })).rejects.toMatchObject({ code: 'NOTHING_SELECTED' });
  });

  it('of a lane are replayed byte for byte, to their partition, once, as the next generation', async () => {
    const { desk } = open;
    const topic = installation.topics.entityBatches.normal;
    const bytes = await batchBytes();
    await deadLetter('handler', topic, bytes, { ...BATCH, generation: '1' });
    const selection = { ids: [], filter: { action: actionId } };
    expect(await desk.replay(selection, false)).toEqual({
      done: [{ id: '0:0', generation: 2, topic }],
      refused: [],
    });
    expect(await desk.replay(selection, false)).toEqual({ done: [], refused: [] });
    const twice = await desk.replay({ ids: ['0:0'], filter: {} }, false);
    expect(twice).toMatchObject({ done: [], refused: [{ id: '0:0', code: 'ALREADY_MARKED' }] });
    expect((await desk.drop({ ids: ['0:0'], filter: {} })).refused).toHaveLength(1);

    // Broken off between sending and marking: the same generation again.
    await database.db.collection<{ _id: string }>('dead_letter_marks').updateOne(
      { _id: '0:0' },
      { $set: { state: 'replaying' } },
    ); // prettier-ignore
    expect((await desk.replay(selection, false)).done).toMatchObject([{ generation: 2 }]);
    expect((await desk.replay({ ids: ['0:0'], filter: {} }, true)).done).toMatchObject([{ generation: 3 }]);
    await eventually('three replays', () => lane.messages.length === 3);
    expect(lane.messages.map(({ partition }) => partition)).toEqual([1, 1, 1]);
    expect(lane.messages.map(({ message }) => message.value)).toEqual([bytes, bytes, bytes]);
    const generations = lane.messages.map(({ message }) => String(message.headers?.['generation']));
    expect(generations).toEqual(['2', '2', '3']);
    expect(String(lane.messages[0]!.message.headers?.['action-id'])).toBe(actionId);
    expect(String(lane.messages[0]!.message.key)).toBe(actionId);
  });

  it('of results are replayed with their generation raised, unless that cannot help', async () => {
    const { desk } = open;
    const { results: topic, actions } = installation.topics;
    const headers = { 'result-id': `${actionId}:4`, generation: '0' };
    await deadLetter('stats-aggregator', topic, await resultBytes(success()), headers);
    await deadLetter('stats-aggregator', topic, await resultBytes(failure('DEAD_LETTERED', 'm')), headers);
    await deadLetter('stats-aggregator', topic, Buffer.from('no Avro'), headers);
    await deadLetter('stats-aggregator', actions, Buffer.from('?'), headers);
    const { done, refused } = await desk.replay({ ids: [], filter: { action: actionId } }, false);
    expect(done).toMatchObject([{ id: '0:0', generation: 1 }]);
    expect(refused.map(({ id, code }) => [id, code])).toEqual(
      ['0:1', '0:2', '0:3'].map((id) => [id, 'NOT_REPLAYABLE']),
    );
    const sent = await eventually('the result', () => results.messages[0]);
    const result = await codec.decode(MESSAGES.batchResult, sent.message.value);
    expect(result).toMatchObject({ resultId: `${actionId}:4`, generation: 1 });
    expect(String(sent.message.headers?.['generation'])).toBe('1');
  });

  it('are listed and dropped in a mass incident with a small heap', async () => {
    const { topics } = installation;
    const producer = await installation.producer(codec);
    const letter: DeadLetter = {
      service: 'handler',
      code: 'PROCESSING_ERROR',
      message: 'broken',
      attempts: 3,
      topic: topics.entityBatches.normal,
      partition: 1,
      offset: 7,
      key: Buffer.from(actionId),
      value: Buffer.alloc(1_000, 'x'),
      headers: Object.fromEntries(
        Array.from({ length: 12 }, (_, i) => [`a-header-of-the-original-${i}`, Buffer.from('x')]),
      ),
      failedAt: 1_000,
    };
    const headers = { [HEADERS.actionId]: actionId, [HEADERS.batchNo]: '4' };
    const thousand = Array.from({ length: 1_000 }, () => ({ key: null, value: letter, headers }));
    for (let i = 0; i < MANY; i += thousand.length) await producer.send(topics.deadLetters, thousand);
    const { code, lines } = await dlqWithSmallHeap('list');
    expect([code, lines]).toEqual([0, MANY + 1]);
    const dropped = await dlqWithSmallHeap('drop', '0:7', `0:${MANY - 1}`);
    expect([dropped.code, dropped.lines]).toEqual([0, 2]);
    expect((await dlqWithSmallHeap('list', '--action', actionId)).lines).toBe(MANY - 2 + 1);
  });
});

const MANY = 30_000;
/** Heap of the tool, in MB. Without a dead letter it needs about 50 MB. */
const HEAP_MB = 80;

/** Runs the tool as a process, and counts the lines that it prints. */
function dlqWithSmallHeap(
  ...args: string[]
): Promise<{ code: number | null; lines: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    const main = join(import.meta.dirname, '../src/operator/ops/main.ts');
    const options = [`--max-old-space-size=${HEAP_MB}`, '--import', 'tsx', main, 'dlq', ...args];
    const child = spawn(process.execPath, options, {
      env: { PATH: process.env['PATH'], ...installation.env },
    });
    let lines = 0;
    let stderr = '';
    child.stdout.on('data', (piece: Buffer) => (lines += piece.toString().split('\n').length - 1));
    child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, lines, stderr }));
  });
}
