import { beforeEach, describe, expect, it } from '@jest/globals';
import { createRegistry, type ChangeResult } from '@bulk/action-types';
import {
  encodeEntities,
  entityBatchEncoder,
  topicNames,
  type BatchResult,
  type EntityBatch,
} from '@bulk/contracts';
import { DependencyError } from '@bulk/domain';
import { ProduceError, type Chunk, type MessageCodec, type ReceivedMessage } from '@bulk/kafka';
import { StoreError } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { KafkaJSProtocolError } from 'kafkajs';
import { MongoServerError } from 'mongodb';
import { BatchApplier } from '../application/batch-applier.ts';
import { BatchRunner } from '../application/batch-runner.ts';
import { ResultReporter } from '../application/result-reporter.ts';
import { UnprocessableBatches } from '../dead-letters/unprocessable-batches.ts';
import { BatchConsumer } from './batch-consumer.ts';
import { BatchOpener } from './batch-opener.ts';
import { MessageProcessor } from './message-processor.ts';

const topics = topicNames('spec.');
const POLICY = { maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 1 };
const IDENTITY = {
  actionId: 'a1',
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  lane: 'normal',
} as const;
const none = (): void => undefined;

/** Errors that each part throws next, in order. After these the part does its work. */
let storeErrors: Error[];
let reportErrors: Error[];
/** Action id → how many further reports of the action fail. */
let failingReports: Map<string, number>;
let written: number;
let results: BatchResult[];
let deadLettered: unknown[];
let watched: unknown[];
/** The monotonic clock, in ms. It advances by the waits that the consumer asks for. */
let time: number;
let consumer: BatchConsumer;

beforeEach(() => {
  storeErrors = [];
  reportErrors = [];
  failingReports = new Map();
  written = 0;
  results = [];
  deadLettered = [];
  watched = [];
  time = 0;
  const monotonic = (): number => time;
  const log = silentLogger();
  const now = (): Date => new Date(0);
  const backoff = { initialDelayMs: 1, maxDelayMs: 1 };
  const store = {
    write: (_scope: unknown, changes: readonly unknown[]): Promise<ChangeResult[]> => {
      const error = storeErrors.shift();
      if (error !== undefined) return Promise.reject(error);
      written += 1;
      return Promise.resolve(changes.map(() => ({ kind: 'applied', effect: 'updated' })));
    },
  };
  const codec: Pick<MessageCodec, 'decode'> = {
    decode: (type, bytes) => Promise.resolve(type.schema.parse(JSON.parse(String(bytes)))),
  };
  const runner = new BatchRunner({
    applier: new BatchApplier({
      registry: createRegistry(),
      firstPositions: {
        claim: ({ entities }) =>
          Promise.resolve({ kind: 'claimed', first: entities.map(({ position }) => position) }),
      },
      store,
      dryRunStore: store,
      entityConcurrency: 1,
      changesMaxBytes: 16_384,
      now,
      log,
    }),
    backoff,
    endOffset: () => Promise.resolve(1),
    inPlaceMs: 60_000,
    watched: async (work) => {
      try {
        return await work();
      } catch (error) {
        watched.push(error);
        throw error;
      }
    },
    monotonic,
    recorder: { applied: none, retried: none },
    log,
  });
  const opener = new BatchOpener({ topics, codec, policyOf: () => POLICY, isWhole: () => true, now });
  const reporter = new ResultReporter({
    producer: {
      send: (_topic, messages) => {
        const actionId = String(messages[0]?.key);
        const failures = failingReports.get(actionId) ?? 0;
        if (failures > 0) {
          failingReports.set(actionId, failures - 1);
          return Promise.reject(unsent('LEADER_NOT_AVAILABLE'));
        }
        const error = reportErrors.shift();
        if (error !== undefined) return Promise.reject(error);
        results.push(...messages.map(({ value }) => value as BatchResult));
        return Promise.resolve([]);
      },
    },
    topics,
    now,
    recorder: { reported: none },
  });
  const endedActions = { isRepetition: () => Promise.resolve(false) };
  const processor = new MessageProcessor({
    opener,
    runner,
    reporter,
    unprocessable: new UnprocessableBatches({
      deadLetters: {
        add: ({ error }) => {
          deadLettered.push(error);
          return Promise.resolve();
        },
      },
      deadBatches: {
        identify: () =>
          Promise.resolve({
            identity: IDENTITY,
            batchNo: 0,
            generation: 0,
            entities: [{ position: 0, id: 'c0', ref: null }],
          }),
      },
      endedActions,
      reporter,
      decode: (message) => opener.decode(message),
      log,
    }),
    endedActions,
    retryTopics: { postpone: () => Promise.resolve(false) },
    dependencies: { during: (_names, work) => work() },
    maxAttempts: POLICY.maxAttempts,
    backoff,
    monotonic,
    recorder: { ended: none, retried: none },
    log,
  });
  consumer = new BatchConsumer(processor, { entityConcurrency: 1, monotonic });
});

const VALID = entityBatchEncoder(
  IDENTITY,
  {},
)({
  batchNo: 0,
  entities: encodeEntities(
    [0, 1].map((position) => ({ position, id: `c${position}`, ref: null, fields: { lastName: 'After' } })),
  ),
});

/** Builds the message at an offset of partition 0 of lane normal. */
function messageOf(value: EntityBatch | string, offset = 0): ReceivedMessage {
  return {
    topic: topics.entityBatches.normal,
    partition: 0,
    offset,
    key: null,
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    headers: {},
  };
}

function chunkOf(messages: readonly ReceivedMessage[]): Chunk {
  const go = (): Promise<void> => Promise.resolve();
  return {
    topic: topics.entityBatches.normal,
    partition: 0,
    messages,
    highWatermark: messages.length,
    ending: new AbortController().signal,
    started: () => undefined,
    heartbeat: go,
    confirmOwnership: go,
  };
}

/** Delivers messages as ChunkConsumer does: until they are done, however many tries that takes. */
async function deliver(...values: readonly (EntityBatch | string)[]): Promise<void> {
  let messages = values.map((value, offset) => messageOf(value, offset));
  for (let tries = 0; tries < 50; tries += 1) {
    const disposition = await consumer.process(chunkOf(messages));
    if (disposition.kind === 'done') return;
    messages = messages.slice(disposition.done);
    time += disposition.afterMs;
  }
  throw new Error('delivered 50 times in vain');
}

const refusal = (code: number): StoreError =>
  new StoreError(new MongoServerError({ message: 'not authorized on crm', code }));
const unsent = (type: string): ProduceError =>
  new ProduceError(
    'spec.results',
    new KafkaJSProtocolError({ type, code: 1, retriable: false, message: type } as never),
  );

describe('BatchConsumer', () => {
  it.each([13, 18, 371, 8_000, 14_031, 987_654])(
    'waits while the store refuses every client with code %d, and fails no entity',
    async (code) => {
      storeErrors = Array.from({ length: 12 }, () => refusal(code));
      await deliver(VALID);
      expect(results).toHaveLength(1);
      expect(results[0]!.outcomes.map(({ status, attempts }) => [status, attempts])).toEqual([
        ['success', 13],
        ['success', 13],
      ]);
      expect(deadLettered).toEqual([]);
      expect(watched).toHaveLength(12);
      expect(watched[0]).toBeInstanceOf(DependencyError);
      expect(watched[0]).toMatchObject({ refused: true });
    },
  );

  it('fails the entities of a batch that the store always refuses, without the text of the refusal', async () => {
    storeErrors = Array.from({ length: 12 }, () => refusal(9));
    await deliver(VALID);
    expect(results[0]!.outcomes.map(({ code }) => code)).toEqual(['PROCESSING_ERROR', 'PROCESSING_ERROR']);
    expect(JSON.stringify(results)).not.toContain('crm');
  });

  it('retries only the report when it is not confirmed, and processes no settled entity again', async () => {
    reportErrors = ['REQUEST_TIMED_OUT', 'TOPIC_AUTHORIZATION_FAILED', 'KAFKA_STORAGE_ERROR', 'UNKNOWN'].map(
      unsent,
    );
    storeErrors = [new TypeError('once')];
    await deliver(VALID);
    expect(written).toBe(1);
    expect(results).toHaveLength(1);
    expect(results[0]!.outcomes.map(({ attempts }) => attempts)).toEqual([2, 2]);
    expect(deadLettered).toEqual([]);
  });

  it.each<[string, EntityBatch | string, unknown[]]>([
    ['cannot be read', '{}', []],
    ['cannot be processed', { ...VALID, actionType: 'unknown' }, []],
  ])('dead-letters a batch that %s once, however often its report fails', async (_, value) => {
    reportErrors = Array.from({ length: 7 }, () => unsent('NOT_ENOUGH_REPLICAS'));
    await deliver(value);
    expect(deadLettered).toHaveLength(1);
    expect(results.flatMap(({ outcomes }) => outcomes).every(({ code }) => code === 'DEAD_LETTERED')).toBe(
      true,
    );
    expect(results).toHaveLength(1);
  });

  it('retries only the failed report of a group, and applies no batch again', async () => {
    const batches = ['a', 'b', 'c'].map((name) => ({
      ...VALID,
      actionId: name,
      entities: [
        { position: 0, id: name, ref: null, fields: '{"lastName":"After"}', fault: null, origin: null },
      ],
    }));
    failingReports = new Map([['b', 3]]);
    await deliver(...batches);
    expect(results.map(({ actionId }) => actionId).sort()).toEqual(['a', 'b', 'c']);
    expect(failingReports.get('b')).toBe(0);
    expect(written).toBe(3);
    expect(deadLettered).toEqual([]);
  });

  it('completes the other batches of a group before one that fails', async () => {
    const batches = ['a', 'unknown', 'c'].map((name) => ({
      ...VALID,
      actionId: name,
      actionType: name === 'unknown' ? name : 'update',
      entities: [
        { position: 0, id: name, ref: null, fields: '{"lastName":"After"}', fault: null, origin: null },
      ],
    }));
    await deliver(...batches, '{}');
    expect(results.map(({ outcomes }) => outcomes.map(({ code }) => code))).toEqual([
      [null],
      [null],
      ['DEAD_LETTERED'],
      ['DEAD_LETTERED'],
    ]);
    expect(written).toBe(2);
    expect(deadLettered).toHaveLength(2);
  });
});
