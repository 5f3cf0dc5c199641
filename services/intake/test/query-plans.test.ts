import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createRegistry } from '@bulk/action-types';
import { ACTION_SORTS, listActionsQuerySchema, logsQuerySchema } from '@bulk/contracts';
import { ACTION_STATUSES, LANES } from '@bulk/domain';
import { ensureIndexes, type Database } from '@bulk/mongo';
import { connectRedis, redisConfigSchema } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { QueryPlans } from '@bulk/testing';
import { uuidv7 } from 'uuidv7';
import { ActionControl } from '../src/control/action-control.ts';
import { ActionStore } from '../src/actions/action-store.ts';
import { FailedEntities } from '../src/submission/failed-entities.ts';
import { IdempotencyKeys } from '../src/submission/idempotency.ts';
import { findUnfinishedActions } from '../src/dispatch/unfinished-actions.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { GapStore } from '../src/dispatch/gap-store.ts';
import { LogReader } from '../src/reading/log-reader.ts';
import { FirstPositionRelease } from '../src/clean-up/first-position-release.ts';
import { FirstPositionRenewal } from '../src/clean-up/first-position-renewal.ts';
import { Janitor } from '../src/clean-up/janitor.ts';
import { InputReader } from '../src/input/input-reader.ts';
import { failedPositions } from '../src/retries/failed-positions.ts';
import { RetryChain } from '../src/retries/retry-chain.ts';
import { withOrigin } from '../src/retries/row-origin.ts';
import type { StagingArea } from '../src/submission/staging-area.ts';
import { ColumnMappings } from '../src/mappings/column-mappings.ts';
import { Quotas } from '../src/quotas/quotas.ts';
import { entitiesOf, IntakeHarness, PARTITIONS } from './harness.ts';

let harness: IntakeHarness;
let database: Database;
const plans = new QueryPlans();
beforeAll(async () => {
  harness = await IntakeHarness.create();
  database = await harness.installation.database(plans.record);
  await ensureIndexes(database, []);
});
afterAll(() => harness.installation.dispose());

const now = (): Date => new Date();

/** Sends every command that intake ever sends to MongoDB, once in each form. */
async function askEverything(): Promise<void> {
  const actions = new ActionStore(database);
  const staging = harness.staging(now, database);
  const key = { key: 'a-key', digest: () => 'digest' };
  const { _id } = await staging.stage(draft(), entitiesOf(95), key);
  await expect(staging.stage(draft(), [])).rejects.toThrow();
  for (const sort of ACTION_SORTS) await actions.list('acme', listActionsQuerySchema.parse({ sort }));
  for (const status of ACTION_STATUSES) {
    await actions.list(
      'acme',
      listActionsQuerySchema.parse({ status, actionType: 'update', entityType: 'lead' }),
    );
  }
  await actions.list('acme', listActionsQuerySchema.parse({ priority: 'high', skip: '10', limit: '5' }));
  await actions.find('acme', _id);
  await actions.summary('acme');
  await findUnfinishedActions(database, { maxPostponed: 1_000, maxAgeMs: 3_600_000 }, now());
  const keys = new IdempotencyKeys(database, { staleMs: 1_000, lateWriteMs: 1_000, now });
  await keys.find('acme', 'a-key');

  const control = new ActionControl({ database, actions, onChanged: () => undefined, now });
  await control.pause('acme', _id);
  await control.resume('acme', _id);
  await control.cancel('acme', _id);

  const gaps = new GapStore(database, now);
  await gaps.claim(1_000, 1_000);
  await gaps.open(_id);
  await gaps.missing(_id, 3, [0, 1, 2], [], 10);
  await gaps.read(_id, [0, 1], { batches: 2, bytes: 1_000 });
  await gaps.record(_id, { dueAt: now(), rounds: 0, mark: null });

  const dispatch = new DispatchStore(database, 1_000, now);
  await dispatch.adopt();
  await dispatch.findDue();
  const { skips } = dispatch;
  await skips.begin(_id, 'me/0', 0);
  const run = await skips.read(_id, 0, 20);
  await skips.advance(_id, 'me/0', run, await skips.log(_id, run), 10);
  await dispatch.claim('me/1');
  expect(await dispatch.findDue()).toEqual({ actions: [], complete: true });
  await dispatch.claim('me/2', { lane: 'high' });
  await dispatch.claim('me/3', { lane: 'normal', after: 'a', except: ['acme', 'b'] });
  await dispatch.inFlight(60_000, 1);
  await dispatch.look([_id, randomUUID()]);
  await dispatch.readWindow(_id, 0, { batches: 3, bytes: 1_000_000 });
  await dispatch.advance(_id, 'me/1', 3, false);
  await dispatch.renew(_id, 'me/1');
  await dispatch.windows.exchange('me', LANES, () => ({ size: 12, restMs: 10 }));
  await dispatch.postpone(_id, 'me/1', 10);
  await dispatch.release(_id, 'me/1');

  const logs = new LogReader(database, PARTITIONS);
  const action = (await actions.find('acme', _id))!;
  await logs.page(action, logsQuerySchema.parse({}));
  await logs.page(action, logsQuerySchema.parse({ type: 'failure', after: '7' }));
  await logs.page(action, logsQuerySchema.parse({ sort: '-position' }));
  await logs.page(action, logsQuerySchema.parse({ sort: '-position', type: 'failure', after: '7' }));
  await logs.page(action, logsQuerySchema.parse({ code: 'INVALID_ENTITY', after: '7' }));
  await logs.page(action, logsQuerySchema.parse({ id: 'c1', ref: 'r', sort: '-position' }));
  for (const filter of [{ type: 'skipped' }, { code: ['SOME_CODE'], id: 'c1' }] as const) {
    for await (const entry of logs.all(action, filter)) expect(entry).toBeDefined();
  }
  for await (const entity of new FailedEntities(database, PARTITIONS).read(_id)) expect(entity).toBeDefined();

  await askForRetries(_id, staging);

  await releaseFirstPositions(_id);

  const options = { stagingTimeoutMs: 0, stagedRetentionMs: 0, lateWriteMs: 0 };
  const later = (): Date => new Date(Date.now() + 60_000);
  await database.actions.updateOne({ _id }, { $set: { status: 'staging', 'dispatch.lease': null } });
  await new Janitor(database, { ...options, now: later }, silentLogger()).sweep();
  await new Janitor(database, { ...options, now: later }, silentLogger()).sweep();
  await askForQuotas(staging);
  const mappings = new ColumnMappings({ database, registry: createRegistry(), perAccount: 1, now });
  await mappings.put('acme', 'mine', { entityType: 'contact', columns: { Key: 'id' } });
  await mappings.list('acme');
  await mappings.remove('acme', 'mine');
}

/** Accepts a retry of an action, and asks what the next one may try. */
async function askForRetries(_id: string, staging: StagingArea): Promise<void> {
  const retryChain = { id: _id, no: 1, failures: 1 };
  const rows = [withOrigin({ id: 'c0' }, 0)];
  await staging.stage({ ...draft(), retryOf: _id }, rows, undefined, undefined, () => ({ retryChain }));
  const chain = new RetryChain(database);
  const failed = { _id, total: 1, counts: { success: 0, failure: 1, skipped: 0 } };
  expect(await chain.totals(failed)).toBeDefined();
  expect((await chain.next(failed)).open.has(0)).toBe(true);
  await failedPositions(database, failed);
  const input = new InputReader(database, PARTITIONS);
  expect(await input.form(_id)).toEqual({ columns: ['id', 'lastName'] });
  for await (const row of input.all({ _id, entityType: 'contact' }, { type: 'failure' }))
    expect(row).toBeDefined();
  for await (const row of input.all({ _id, entityType: 'contact' }, {})) expect(row).toBeDefined();
}

/** Stages an upload that is refused for a quota, and one that is accepted. */
async function askForQuotas(staging: StagingArea): Promise<void> {
  const limits = { 'unfinished-actions': 5, 'staged-bytes': 10_000, 'rows-per-day': 20 };
  const quotas = new Quotas({
    database,
    limits,
    now,
    monotonic: () => performance.now(),
    onRefused: () => undefined,
    log: silentLogger(),
  });
  const staged = (size: number) => {
    const action = draft();
    const claim = quotas.claim('acme', action.identity.actionId);
    return staging.stage(action, entitiesOf(size), undefined, claim);
  };
  await expect(staged(21)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  await staged(20);
}

async function releaseFirstPositions(_id: string): Promise<void> {
  const redis = await connectRedis(loadConfig(redisConfigSchema, harness.installation.env), silentLogger());
  try {
    const ended = new Date(0);
    await database.actions.updateOne({ _id }, { $set: { finishedAt: ended, updatedAt: ended } });
    const shared = {
      redis,
      prefix: harness.installation.env['REDIS_PREFIX'] ?? '',
      partitions: PARTITIONS,
      signal: new AbortController().signal,
    };
    await new FirstPositionRenewal(database, {
      ...shared,
      lifetimeMs: 2_000,
      monotonic: () => 0,
    }).renewIfDue();
    const release = new FirstPositionRelease(database, {
      ...shared,
      releaseAfterMs: 1_000,
      forgottenAfterMs: 2_000,
      now,
    });
    expect(await release.sweep()).toBe(1);
  } finally {
    redis.disconnect();
  }
}

const draft = () => ({
  identity: {
    actionId: uuidv7(),
    accountId: 'acme',
    actionType: 'update',
    entityType: 'contact',
    lane: 'normal' as const,
  },
  config: {},
  dryRun: false,
  scheduledFor: null,
  retryOf: null,
});

it('every query of intake uses an index', async () => {
  await askEverything();
  expect(plans.recorded).toEqual([
    'aggregate actions',
    'count actions',
    'delete actions',
    'delete staged_batches',
    'find account_quotas',
    'find action_logs',
    'find actions',
    'find column_mappings',
    'find dispatch_lanes',
    'find staged_batches',
    'findAndModify account_quotas',
    'findAndModify actions',
    'findAndModify column_mappings',
    'update account_quotas',
    'update actions',
    'update column_mappings',
    'update dispatch_lanes',
  ]);
  expect(await plans.scans(database)).toEqual([]);
});

it('a query without an index is detected', async () => {
  const careless = new QueryPlans();
  const watched = await harness.installation.database(careless.record);
  await watched.actions.find({ actionType: 'update' }).toArray();
  await watched.actions.find({ lane: 'high' }, { sort: { _id: -1 } }).toArray();
  expect(await careless.scans(database)).toHaveLength(2);
});
