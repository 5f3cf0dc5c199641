import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import type { BatchResult } from '@bulk/contracts';
import { AWAY, eventually, linkTo, modelUpdate, type GivenEntity } from '@bulk/testing';
import { entity, HandlerHarness, idsIn, PARTITIONS, type GivenBatch } from './harness.ts';

const BATCHES_PER_PARTITION = 12;
const BATCH_SIZE = 5;
/**
 * Delay in each direction, in ms. Batches then take long, so that each fault happens in the middle
 * of one.
 */
const DELAY_MS = 15;

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

interface Given {
  readonly batches: readonly GivenBatch[];
  readonly before: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly entities: readonly GivenEntity[];
}

/**
 * Builds an action over all partitions: known, unknown and invalid entities, and duplicates of an
 * earlier batch.
 */
function givenAction(actionId: string): Given {
  const before = new Map<string, Readonly<Record<string, unknown>>>();
  const entities: GivenEntity[] = [];
  const batches: GivenBatch[] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const ids = idsIn(partition, BATCHES_PER_PARTITION * BATCH_SIZE, `p${partition}-`);
    for (let batch = 0; batch < BATCHES_PER_PARTITION; batch += 1) {
      const own = ids.slice(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE);
      const named = own.map((id, i): GivenEntity => {
        if (i === 1 && batch > 2) return { id: ids[(batch - 2) * BATCH_SIZE]!, lastName: 'Again' };
        if (i !== 2) before.set(id, { lastName: 'Before' });
        return i === 3 ? { id, shoeSize: 44 } : { id, lastName: `After ${batch}` };
      });
      const from = entities.length;
      batches.push({
        actionId,
        batchNo: batches.length,
        partition,
        entities: named.map(({ id, ...fields }, i) => entity(from + i, id, fields)),
      });
      entities.push(...named);
    }
  }
  return { batches, before, entities };
}

/** Returns one result per batch, and expects repeated results to equal the first one. */
function distinct(results: readonly BatchResult[]): BatchResult[] {
  const first = new Map<string, BatchResult>();
  for (const result of results) {
    const known = first.get(result.resultId);
    if (known === undefined) first.set(result.resultId, result);
    else expect(statesOf([result])).toEqual(statesOf([known]));
  }
  return [...first.values()];
}

function statesOf(results: readonly BatchResult[]): unknown[] {
  return results
    .flatMap(({ outcomes }) => outcomes)
    .map(({ position, entityId, status, code, effect }) => ({ position, entityId, status, code, effect }))
    .sort((a, b) => a.position - b.position);
}

const CASES = (['kafka', 'redis', 'mongodb'] as const).flatMap((part) =>
  AWAY.map((fault) => ({ part, fault })),
);

describe('a dependency that fails in the middle of a batch', () => {
  it.each(CASES)(
    'leaves one outcome for every position and the entities of the model, without a restart ($part, $fault)',
    async ({ part, fault }) => {
      const { link, env } = await linkTo(part, harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const service = await harness.start(undefined, {
        ...env,
        MONGODB_TIMEOUT_MS: '1000',
        REDIS_TIMEOUT_MS: '500',
        KAFKA_REQUEST_TIMEOUT_MS: '1000',
      });
      harness.installation.onDispose(() => harness.stop());
      const actionId = randomUUID();
      const { batches, before, entities } = givenAction(actionId);
      await harness.givenContacts([...before.keys()]);
      link.delay(DELAY_MS);
      await harness.publish(...batches);
      await eventually('it is under way', async () => (await harness.resultsOf(actionId)).length >= 5, {
        everyMs: 5,
      });
      const { opened } = link;
      link[fault]();
      link.delay(0);
      if (fault !== 'hang') {
        await eventually('it is not ready', () => !service.context.health.ready);
        expect((await harness.resultsOf(actionId)).length).toBeLessThan(batches.length);
        link.restore();
      }
      const results = await eventually('all results', async () => {
        const found = distinct(await harness.resultsOf(actionId));
        return found.length === batches.length ? found : undefined;
      });
      await eventually('it is ready', () => service.context.health.ready);
      // If the link only delays what it holds back, the connection may be kept.
      if (fault !== 'blackHole') expect(link.opened).toBeGreaterThan(opened);
      // Anything still on its way would have arrived before the stop has ended.
      await harness.stop();

      const model = modelUpdate(contact, before, entities);
      expect(statesOf(distinct(await harness.resultsOf(actionId)))).toEqual(model.outcomes);
      expect(results).toHaveLength(batches.length);
      const changed = new Set(
        model.outcomes.filter(({ status }) => status === 'success').map(({ entityId }) => entityId),
      );
      const stored = await harness.contacts();
      // Each was applied once: a second application would have raised the version again.
      expect(stored.map(({ id, version, lastName }) => ({ id, version, lastName }))).toEqual(
        stored.map(({ id }) => ({
          id,
          version: changed.has(id) ? 2 : 1,
          lastName: model.entities.get(id)?.['lastName'],
        })),
      );
      expect(stored).toHaveLength(before.size);
      expect(harness.deadLetters.messages).toEqual([]);
      expect(service.failures).toEqual([]);
    },
  );
});
