import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ACTION_SORTS,
  listActionsQuerySchema,
  logsQuerySchema,
  type ListActionsQuery,
} from '@bulk/contracts';
import { ACTION_STATUSES } from '@bulk/domain';
import type { ActionDocument, ActionLogDocument, Database } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { QueryPlans, type ReadPlan } from '@bulk/testing';
import { uuidv7 } from 'uuidv7';
import { ActionStore } from '../src/actions/action-store.ts';
import { FailedEntities } from '../src/submission/failed-entities.ts';
import { findUnfinishedActions } from '../src/dispatch/unfinished-actions.ts';
import { LogReader } from '../src/reading/log-reader.ts';
import { Janitor } from '../src/clean-up/janitor.ts';
import { IntakeHarness, PARTITIONS } from './harness.ts';

const HOUR_MS = 3_600_000;
const HISTORY = 300;
const LOGS = 180;
const ACCOUNT = 'acme';

let harness: IntakeHarness;
let database: Database;
let plans = new QueryPlans();
let sent = 0;
let ended: ActionDocument;
const costs = new Map<string, number>();

beforeAll(async () => {
  harness = await IntakeHarness.create();
  database = await harness.installation.database((command) => {
    plans.record(command);
    sent += 1;
  });
  const template = await harness.accepted(randomUUID(), 95);
  ended = { ...template, _id: uuidv7(), status: 'completed', finishedAt: new Date(), total: LOGS,
    counts: { success: LOGS - 6, failure: 6, skipped: 0 } };
  await harness.database.actions.insertOne(ended);
  await harness.database.actionLogs.insertMany(logsOf(ended._id));
  for (const [name, work] of Object.entries(WORK)) costs.set(name, (await asked(work)).commands);
  const histories: Partial<ActionDocument>[] = [
    { status: 'pending', scheduledFor: new Date('2999-01-01T00:00:00Z') },
    { status: 'paused' },
    { status: 'completed', finishedAt: new Date(Date.now() - HOUR_MS / 2) },
    { status: 'completed', finishedAt: new Date(Date.now() - 2 * HOUR_MS), dispatch: { ...template.dispatch, done: true, purged: true } },
  ];
  for (const history of histories) {
    await harness.database.actions.insertMany(
      Array.from({ length: HISTORY }, () => ({ ...template, dispatch: { ...template.dispatch, done: true }, ...history, _id: uuidv7() })),
    );
  }
}); // prettier-ignore
afterAll(() => harness.installation.dispose());

/** Builds logs with an outcome each, of which few are failures. */
function logsOf(actionId: string): ActionLogDocument[] {
  return Array.from({ length: LOGS }, (_, position) => {
    const failed = position % 30 === 7;
    const outcome = { position, entityId: `c${position}`, ref: null, message: null, attempts: 1 };
    return {
      _id: `${actionId}:${position}`,
      actionId,
      batchNo: position,
      partition: position % PARTITIONS,
      firstPosition: position,
      lastPosition: position,
      counts: { success: failed ? 0 : 1, failure: failed ? 1 : 0, skipped: 0 },
      outcomes: [
        failed
          ? { ...outcome, status: 'failure', code: 'SOME_CODE' }
          : { ...outcome, status: 'success', code: null },
      ],
      source: { partition: 0, offset: position },
      at: new Date(),
    };
  });
}

/** Runs work. @returns the plans of its commands, and how many commands it sent. */
async function asked(work: () => Promise<unknown>): Promise<{ plans: QueryPlans; commands: number }> {
  plans = new QueryPlans();
  sent = 0;
  await work();
  return { plans, commands: sent };
}

const list = (query: Record<string, string>) => async (): Promise<unknown> =>
  new ActionStore(database).list(ACCOUNT, listActionsQuerySchema.parse(query));
const logs = (query: Record<string, string>) => async (): Promise<unknown> =>
  new LogReader(database, PARTITIONS).page(ended, logsQuerySchema.parse(query));
const sweep = async (): Promise<unknown> => {
  const options = {
    stagingTimeoutMs: HOUR_MS,
    stagedRetentionMs: HOUR_MS,
    lateWriteMs: 0,
    now: () => new Date(),
  };
  return new Janitor(database, options, silentLogger()).sweep();
};

const WORK = {
  'a clean-up round': sweep,
  'a list page': list({}),
  'a deep list page': list({ skip: '500', limit: '20' }),
  'a list page of a status': list({ status: 'paused' }),
  'a list page of an action type': list({ actionType: 'delete' }),
  'a list page of an entity type': list({ entityType: 'lead' }),
  'a list page of a priority': list({ priority: 'high' }),
  'the summary': async () => new ActionStore(database).summary(ACCOUNT),
  'the gauge of unfinished actions': async () =>
    findUnfinishedActions(database, { maxPostponed: 1_000, maxAgeMs: 3_600_000 }, new Date()),
  'a page of logs': logs({}),
  'a filtered page of logs': logs({ type: 'failure' }),
  'a deep filtered page of logs': logs({ type: 'failure', after: '70' }),
  'a page of logs from the end': logs({ sort: '-position' }),
  'a deep page of logs from the end': logs({ sort: '-position', after: '70' }),
  'a deep filtered page of logs from the end': logs({ sort: '-position', type: 'failure', after: '70' }),
  'the entities of a retry': async () => {
    // The action's batches are missing, so the read ends at the first one.
    const read = new FailedEntities(database, PARTITIONS).read(ended._id);
    await expect(read.next()).rejects.toMatchObject({ code: 'RETRY_EXPIRED' });
  },
} as const;

/**
 * Returns the plans of some work; none if the server does not plan as MongoDB does, which `scans`
 * covers.
 */
async function plansOf(work: () => Promise<unknown>, command?: string): Promise<ReadPlan[]> {
  const { plans: recorded } = await asked(work);
  expect(await recorded.scans(harness.database)).toEqual([]);
  const found = (await recorded.reads(harness.database)) ?? [];
  return found.filter((plan) => command === undefined || plan.command === command);
}

const point = (value: string): string => `["${value}", "${value}"]`;

describe('intake with a long history of actions', () => {
  it.each(Object.keys(WORK) as (keyof typeof WORK)[])(
    'sends no more commands for %s than without a history',
    async (name) => {
      expect((await asked(WORK[name])).commands).toBeLessThanOrEqual(costs.get(name)!);
    },
  );

  it.each(Object.keys(WORK) as (keyof typeof WORK)[])(
    'reads and sorts no whole collection for %s',
    async (name) => {
      for (const plan of await plansOf(WORK[name])) {
        expect(plan).toMatchObject({ stages: expect.not.arrayContaining(['COLLSCAN', 'SORT']) });
        expect(plan).not.toMatchObject({ stages: expect.arrayContaining(['COLLSCAN']) });
      }
    },
  );

  it('reads only the ended actions that are due in a clean-up round, by the index clean_up', async () => {
    for (const plan of await plansOf(sweep, 'find actions')) {
      if (plan.indexes.includes('status_1')) continue;
      expect(plan.indexes).toEqual(['clean_up']);
      expect(plan.bounds).toEqual([
        { finishedAt: expect.stringMatching(/^\[new Date\(-\d+\), new Date\(\d+\)\)$/) },
      ]);
    }
  });

  it.each(ACTION_SORTS.map((sort) => [sort] as [ListActionsQuery['sort']]))(
    "reads a list page in the order %s from one account's part of the index and sorts nothing",
    async (sort) => {
      const field = { createdAt: '_id_-1', finishedAt: 'finishedAt_1__id_1', scheduledFor: 'scheduledFor_1__id_1', total: 'total_1__id_1' }[
        sort.replace('-', '') as 'createdAt' | 'finishedAt' | 'scheduledFor' | 'total'
      ]; // prettier-ignore
      for (const plan of await plansOf(list({ sort }), 'find actions')) {
        expect(plan.stages).not.toContain('SORT');
        // The index of the subscriptions has the order of `finished`, too.
        if (plan.indexes.includes('accountId_1_finishedAt_1__id_1')) {
          expect(plan.bounds).toMatchObject([{ accountId: point(ACCOUNT) }]);
          continue;
        }
        expect(plan.indexes).toEqual([`accountId_1_status_1_${field}`]);
        expect(plan.bounds.map(({ accountId }) => accountId)).toEqual(plan.bounds.map(() => point(ACCOUNT)));
        expect(plan.bounds.map(({ status }) => status).sort()).toEqual(ACTION_STATUSES.map(point).sort());
      }
    },
  );

  it.each(['a list page', 'a list page of a status', 'the summary'] as const)(
    'counts for %s from an index alone',
    async (name) => {
      for (const plan of await plansOf(WORK[name], 'count actions')) {
        expect(plan.stages).not.toContain('FETCH');
        expect(plan.indexes).toHaveLength(1);
        expect(plan.indexes[0]).toMatch(/^accountId_1_status_1_/);
      }
    },
  );

  it.each([
    ['a list page of an action type', 'actionType', 'delete'],
    ['a list page of an entity type', 'entityType', 'lead'],
    ['a list page of a priority', 'lane', 'high'],
  ] as const)('reads %s from its own index', async (name, field, value) => {
    for (const plan of await plansOf(WORK[name], 'find actions')) {
      expect(plan.indexes).toEqual([`accountId_1_${field}_1__id_-1`]);
      expect(plan.bounds).toMatchObject([{ accountId: point(ACCOUNT), [field]: point(value) }]);
    }
  });

  it.each([
    ['a filtered page of logs', '(-1'],
    ['a deep filtered page of logs', '(70'],
    ['the entities of a retry', '[MinKey'],
  ] as const)('reads only logs with a failure for %s, by the index logs_failure', async (name, from) => {
    const found = await plansOf(WORK[name], 'find action_logs');
    for (const plan of found) {
      expect(plan.indexes).toEqual(['logs_failure']);
      expect(plan.stages).not.toContain('SORT');
      expect(plan.bounds).toEqual([
        {
          actionId: point(ended._id),
          partition: expect.stringMatching(/^\[(\d), \1\]$/),
          lastPosition: expect.stringContaining(from),
        },
      ]);
    }
  });

  it.each([
    ['a page of logs from the end', 'actionId_1_partition_1_lastPosition_1'],
    ['a deep page of logs from the end', 'actionId_1_partition_1_lastPosition_1'],
    ['a deep filtered page of logs from the end', 'logs_failure'],
  ] as const)('reads %s backwards from the index %s and sorts nothing', async (name, index) => {
    for (const plan of await plansOf(WORK[name], 'find action_logs')) {
      expect(plan.stages).not.toContain('SORT');
      expect(plan.indexes).toEqual([index]);
      expect(plan.bounds).toMatchObject([
        { actionId: point(ended._id), partition: expect.stringMatching(/^\[(\d), \1\]$/) },
      ]);
    }
  });

  it('leaves scheduled actions out of the gauge of unfinished actions, by the index under_way', async () => {
    for (const plan of await plansOf(WORK['the gauge of unfinished actions'], 'aggregate actions')) {
      expect(plan.bounds).toHaveLength(1);
      expect(plan.bounds[0]!['status']).toMatch(/^\["(pending|queued|processing)", "\1"\]$/);
      if (plan.bounds[0]!['status'] === point('pending')) expect(plan.indexes).toEqual(['under_way']);
    }
  });
});
