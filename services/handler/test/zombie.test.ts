import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ACTION_HANDLERS,
  ActionRegistry,
  ENTITY_TYPES,
  UpdateHandler,
  type ActionContext,
  type EntityStore,
} from '@bulk/action-types';
import type { BatchResult } from '@bulk/contracts';
import type { Entity, Outcome } from '@bulk/domain';
import type { Chunk } from '@bulk/kafka';
import { loadConfig } from '@bulk/runtime';
import { eventually, inProcessService, TopicReader } from '@bulk/testing';
import { handlerConfigSchema } from '../src/config.ts';
import { createContainer, TOKENS } from '../src/container.ts';
import { entity, HandlerHarness, idsIn } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  // A stopped process sends no heartbeat. One whose work stalls stops sending heartbeats after this
  // time.
  harness = await HandlerHarness.create({ KAFKA_MAX_PROCESSING_MS: '1000' });
});
afterEach(() => harness.installation.dispose());

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

type Stage = 'before its write' | 'after its write';

/** Stalls the first batch at the given stage, until `wake` is called. */
class StallingUpdate extends UpdateHandler {
  readonly #stage: Stage;
  readonly #woken = deferred<true>();
  readonly stalled = deferred<true>();
  /** How the stalled batch ended: its outcomes, or what it threw. */
  readonly ended = deferred<unknown>();
  #stalls = 1;

  constructor(stage: Stage) {
    super();
    this.#stage = stage;
  }

  get registry(): ActionRegistry {
    const others = ACTION_HANDLERS.filter(({ actionType }) => actionType !== this.actionType);
    return new ActionRegistry([...others, this], ENTITY_TYPES);
  }

  wake(): Promise<unknown> {
    this.#woken.resolve(true);
    return this.ended.promise;
  }

  override async processBatch(
    entities: readonly Entity[],
    config: Parameters<UpdateHandler['processBatch']>[1],
    context: ActionContext,
  ): Promise<Outcome[]> {
    if (this.#stalls-- <= 0) return super.processBatch(entities, config, context);
    const work = super.processBatch(entities, config, { ...context, store: this.#stalling(context.store) });
    work.then(this.ended.resolve, this.ended.resolve);
    return work;
  }

  #stalling(store: EntityStore): EntityStore {
    return {
      write: async (scope, changes) => {
        if (this.#stage === 'before its write') await this.#stall();
        const results = await store.write(scope, changes);
        if (this.#stage === 'after its write') await this.#stall();
        return results;
      },
    };
  }

  #stall(): Promise<true> {
    this.stalled.resolve(true);
    return this.#woken.promise;
  }
}

/** Builds an update of these entities in partition 0. The score counts how often it is made. */
const renaming = (actionId: string, ids: readonly string[], lastName: string) => ({
  actionId,
  batchNo: 0,
  partition: 0,
  entities: ids.map((id, i) => entity(i, id, { lastName })),
  config: { increment: { score: 1 } },
});

/**
 * Returns all results of an action: those before the result of a batch that is sent now, after all
 * others.
 */
async function allResults(actionId: string): Promise<BatchResult[]> {
  const [id] = idsIn(0, 1, 'behind') as [string];
  await harness.publish({ ...renaming(actionId, [id], 'Behind'), batchNo: 99 });
  const results = await eventually('the last result', async () => {
    const found = await harness.resultsOf(actionId);
    return found.some(({ batchNo }) => batchNo === 99) ? found : undefined;
  });
  return results.filter(({ batchNo }) => batchNo === 0);
}

describe('a handler that stalled past its session while its partitions moved', () => {
  it.each<Stage>(['before its write', 'after its write'])(
    'changes no entity that a later owner has changed and produces no outcome (%s)',
    async (stage) => {
      const ids = idsIn(0, 3);
      await harness.givenContacts(ids);
      const [late, next] = [randomUUID(), randomUUID()];
      await harness.publish(renaming(late, ids, 'Late'));
      const stalling = new StallingUpdate(stage);
      const zombie = await harness.start(stalling.registry);
      await stalling.stalled.promise;
      await harness.start();
      await harness.awaitResults(1, late);
      await harness.publish(renaming(next, ids, 'Next'));
      await harness.awaitResults(1, next);
      const before = await harness.contacts();
      expect(before.map(({ version, lastName, score }) => [version, lastName, score])).toEqual(
        ids.map(() => [3, 'Next', 2]),
      );

      const end = await stalling.wake();
      if (stage === 'before its write') expect(end).toMatchObject({ code: 'PARTITION_LOST' });
      await zombie.stop();
      const results = await allResults(late);
      expect(results.map(({ outcomes }) => outcomes.map(({ status }) => status))).toEqual([
        ids.map(() => 'success'),
      ]);
      expect(await harness.contacts()).toEqual(before);
      expect(harness.deadLetters.messages).toEqual([]);
      expect(zombie.failures).toEqual([]);
    },
  );

  it('does not make a refused change that another lane has made possible since', async () => {
    const [id] = idsIn(0, 1) as [string];
    const [late, creation] = [randomUUID(), randomUUID()];
    await harness.publish(renaming(late, [id], 'Late'));
    const stalling = new StallingUpdate('before its write');
    const zombie = await harness.start(stalling.registry);
    await stalling.stalled.promise;
    await harness.start();
    const [refused] = await harness.awaitResults(1, late);
    expect(refused?.outcomes[0]?.code).toBe('ENTITY_NOT_FOUND');
    await harness.publish({
      ...renaming(creation, [id], 'New'),
      config: {},
      actionType: 'create',
      lane: 'high',
    });
    await harness.awaitResults(1, creation);

    expect(await stalling.wake()).toMatchObject({ code: 'PARTITION_LOST' });
    await zombie.stop();
    expect(await allResults(late)).toHaveLength(1);
    expect(await harness.contact(id)).toMatchObject({ version: 1, lastName: 'New' });
  });
});

/** A handler outside the group that believes it owns the first batch of partition 0. */
async function deluded(stalling: StallingUpdate): Promise<{ readonly done: Promise<unknown> }> {
  const { installation } = harness;
  const service = inProcessService();
  installation.onDispose(() => service.stop());
  const config = loadConfig(handlerConfigSchema, installation.env);
  const container = await createContainer(config, service.context, stalling.registry);
  const topic = installation.topics.entityBatches.normal;
  const reader = await TopicReader.open(installation.kafka, [topic]);
  installation.onDispose(() => reader.close());
  const { partition, offset, message } = await eventually('the batch', () => reader.messages[0]);
  const chunk: Chunk = {
    topic,
    partition,
    messages: [{ topic, partition, offset, key: message.key, value: message.value, headers: {} }],
    highWatermark: offset + 1,
    ending: new AbortController().signal,
    started: () => undefined,
    heartbeat: () => Promise.resolve(),
    confirmOwnership: () => Promise.resolve(),
  };
  return { done: container.get(TOKENS.consumer).process(chunk) };
}

describe('a handler that was overtaken without noticing', () => {
  it.each<Stage>(['before its write', 'after its write'])(
    'changes nothing after a stall %s, and its report repeats the reported outcomes',
    async (stage) => {
      const ids = idsIn(0, 3);
      await harness.givenContacts(ids);
      const [late, next] = [randomUUID(), randomUUID()];
      await harness.publish(renaming(late, [...ids, 'unknown'], 'Late'));
      const stalling = new StallingUpdate(stage);
      const zombie = await deluded(stalling);
      await stalling.stalled.promise;
      await harness.start();
      await harness.awaitResults(1, late);
      await harness.publish(renaming(next, ids, 'Next'));
      await harness.awaitResults(1, next);
      const before = await harness.contacts();
      expect(before.map(({ version, lastName, score }) => [version, lastName, score])).toEqual(
        ids.map(() => [3, 'Next', 2]),
      );

      const end = await stalling.wake();
      // Fences behind what it had fetched do not make it report that the topic was created again.
      await zombie.done;
      const results = await allResults(late);
      if (stage === 'before its write') {
        expect(end).toMatchObject({ code: 'SUPERSEDED' });
        expect(results).toHaveLength(1);
      } else {
        expect(results).toHaveLength(2);
        expect(results[1]?.resultId).toBe(results[0]?.resultId);
        expect(results[1]?.outcomes).toEqual(results[0]?.outcomes);
      }
      expect(await harness.contacts()).toEqual(before);
      expect(harness.deadLetters.messages).toEqual([]);
    },
  );
});
