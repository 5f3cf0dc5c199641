import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ACTION_HANDLERS, ActionRegistry, ENTITY_TYPES, type BulkActionHandler } from '@bulk/action-types';
import { success, type Lane } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { z } from 'zod';
import { entity, HandlerHarness, idsIn, PARTITIONS, type GivenBatch } from './harness.ts';

const WORK_MS = 20;
const PERMITS = 2;

interface Done {
  readonly lane: Lane;
  readonly partition: number;
  readonly position: number;
}

let harness: HandlerHarness;
let done: Done[];
let inside: Map<string, number>;
let most: { inPartition: number; atOnce: number };
/** The work waits for this promise. */
let opened: Promise<void>;

/** A slow action type that records what it did, and how much of it at the same time. */
const slow: BulkActionHandler<Record<string, unknown>> = {
  actionType: 'slow',
  getConfigSchema: () => z.record(z.string(), z.unknown()),
  validatePayload: ({ config }) => Promise.resolve(config),
  processEntity: async ({ position }, _config, { at: { lane, partition } }) => {
    const key = `${lane} ${partition}`;
    inside.set(key, (inside.get(key) ?? 0) + 1);
    const counts = [...inside.values()];
    most.inPartition = Math.max(most.inPartition, ...counts);
    most.atOnce = Math.max(
      most.atOnce,
      counts.reduce((sum, n) => sum + n, 0),
    );
    await opened;
    await delay(WORK_MS);
    inside.set(key, (inside.get(key) ?? 0) - 1);
    done.push({ lane, partition, position });
    return success();
  },
};

beforeEach(async () => {
  done = [];
  inside = new Map();
  most = { inPartition: 0, atOnce: 0 };
  opened = Promise.resolve();
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

const start = (weights: string) =>
  harness.start(new ActionRegistry([...ACTION_HANDLERS, slow], ENTITY_TYPES), {
    PARTITION_CONCURRENCY: String(PERMITS),
    LANE_WEIGHTS: weights,
    // A group of one, so that the order of the batches shows the turns of the lanes.
    GROUP_BATCHES: '1',
  });

/**
 * Publishes an action with the given number of one-entity batches per partition. Positions ascend.
 */
async function publish(lane: Lane, perPartition: number): Promise<string> {
  const actionId = randomUUID();
  const ids = Array.from({ length: PARTITIONS }, (_, partition) => idsIn(partition, perPartition, lane));
  const batches = Array.from({ length: perPartition * PARTITIONS }, (_, batchNo): GivenBatch => {
    const partition = batchNo % PARTITIONS;
    const id = ids[partition]![Math.floor(batchNo / PARTITIONS)]!;
    return { actionId, batchNo, partition, lane, actionType: 'slow', entities: [entity(batchNo, id, {})] };
  });
  await harness.publish(...batches);
  return actionId;
}

const count = (of: readonly Done[], lane: Lane): number => of.filter((one) => one.lane === lane).length;

/**
 * Expects the batches of a partition one at a time, in order, and no more at once than there are
 * permits.
 */
function expectOrder(): void {
  expect(most).toEqual({ inPartition: 1, atOnce: PERMITS });
  const last = new Map<string, number>();
  for (const { lane, partition, position } of done) {
    const key = `${lane} ${partition}`;
    expect(position).toBeGreaterThan(last.get(key) ?? -1);
    last.set(key, position);
  }
}

describe('the lanes', () => {
  it('get their shares while all of them wait, and the rest when one lane is done', async () => {
    const EACH = 30;
    const TOTAL = EACH * PARTITIONS;
    for (const lane of ['low', 'normal', 'high'] as const) await publish(lane, EACH);
    await start('4,2,1');
    await eventually('all are done', () => done.length === 3 * TOTAL);
    // The span from when every lane is being read until the first lane is done.
    const from = Math.max(
      ...(['high', 'normal', 'low'] as const).map((lane) => done.findIndex((one) => one.lane === lane)),
    );
    const all = done.slice(from, done.findLastIndex(({ lane }) => lane === 'high') + 1);
    const high = count(all, 'high');
    expect(high).toBeGreaterThan(TOTAL / 2);
    expect(Math.abs(count(all, 'normal') - high / 2)).toBeLessThanOrEqual(3);
    expect(Math.abs(count(all, 'low') - high / 4)).toBeLessThanOrEqual(3);
    expectOrder();
  });

  it('are served by urgency, so that a higher lane overtakes waiting batches of a lower lane', async () => {
    const BELOW = 60 * PARTITIONS;
    const low = await publish('low', 60);
    await start('16,4,1');
    await eventually('the lane below is under way', () => done.length > 2 * PERMITS);
    const high = await publish('high', 3);
    await harness.awaitResults(3 * PARTITIONS, high);
    const end = done.findLastIndex(({ lane }) => lane === 'high');
    const begin = done.findIndex(({ lane }) => lane === 'high');
    expect(count(done.slice(begin, end), 'low')).toBeLessThanOrEqual(3 * PERMITS);
    expect(count(done, 'low')).toBeLessThan(BELOW / 2);
    expect(await harness.awaitResults(BELOW, low)).toHaveLength(BELOW);
    expectOrder();
  });

  it('hand back waiting batches when handler stops, and lose none', async () => {
    let open = (): void => undefined;
    opened = new Promise((resolve) => {
      open = resolve;
    });
    const actionIds = [await publish('high', 4), await publish('low', 4)];
    const service = await start('16,4,1');
    await eventually('all permits are taken', () => most.atOnce === PERMITS);
    const stopped = harness.stop();
    open();
    await stopped;
    expect(service.failures).toEqual([]);
    expect(done).toHaveLength(PERMITS);
    await start('16,4,1');
    const results = await harness.awaitResults(2 * 4 * PARTITIONS, ...actionIds);
    expect(new Set(results.map(({ resultId }) => resultId)).size).toBe(2 * 4 * PARTITIONS);
  });
});
