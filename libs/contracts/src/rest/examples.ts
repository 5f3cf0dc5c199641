import type { Example } from './operation.ts';
import type { ActionStats, ActionView, CreateActionRequest, LogEntry, LogSummary } from './schemas.ts';

const ACTION_ID = '0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6';

/** An action just after its acceptance. */
export const ACCEPTED: ActionView = {
  actionId: ACTION_ID,
  accountId: 'demo',
  actionType: 'update',
  entityType: 'contact',
  priority: 'normal',
  config: { set: { ownerId: 'user-7' } },
  filter: null,
  filterPlan: null,
  dryRun: false,
  matchBy: null,
  retry: null,
  retryOf: null,
  changes: 'none',
  undoOf: null,
  maxFailures: null,
  onMaxFailures: null,
  callbackUrl: null,
  callback: null,
  status: 'pending',
  reason: null,
  cancelling: false,
  total: 2,
  processed: 0,
  success: 0,
  failure: 0,
  skipped: 0,
  percent: 0,
  effects: { created: 0, updated: 0, unchanged: 0, deleted: 0 },
  scheduledFor: null,
  createdAt: '2026-11-24T09:00:00.000Z',
  queuedAt: null,
  startedAt: null,
  finishedAt: null,
};

/** The same action after its end. */
export const COMPLETED: ActionView = {
  ...ACCEPTED,
  status: 'completed',
  processed: 2,
  success: 1,
  failure: 1,
  percent: 100,
  effects: { created: 0, updated: 1, unchanged: 0, deleted: 0 },
  queuedAt: '2026-11-24T09:00:00.120Z',
  startedAt: '2026-11-24T09:00:00.310Z',
  finishedAt: '2026-11-24T09:00:00.330Z',
};

/** An action of which too many positions have failed. */
export const FAILED: ActionView = {
  ...ACCEPTED,
  maxFailures: 100,
  onMaxFailures: 'fail',
  status: 'failed',
  reason: { code: 'TOO_MANY_FAILURES', message: 'more than 100 failed (maxFailures)' },
  total: 10_000,
  processed: 10_000,
  success: 1_880,
  failure: 120,
  skipped: 8_000,
  percent: 100,
  effects: { created: 0, updated: 1_880, unchanged: 0, deleted: 0 },
  queuedAt: '2026-11-24T09:00:00.120Z',
  startedAt: '2026-11-24T09:00:00.310Z',
  finishedAt: '2026-11-24T09:00:02.330Z',
};

export const STATS: ActionStats = {
  actionId: ACTION_ID,
  status: 'processing',
  total: 10_000,
  processed: 4_200,
  success: 4_190,
  failure: 8,
  skipped: 2,
  percent: 42,
  rate: 2_100,
  startedAt: '2026-11-24T09:00:00.310Z',
  finishedAt: null,
  eta: '2026-11-24T09:00:05.072Z',
  reason: null,
  effects: { created: 0, updated: 4_102, unchanged: 88, deleted: 0 },
};

export const LOG_ENTRIES: LogEntry[] = [
  {
    position: 0,
    entityId: 'contact-1',
    ref: null,
    status: 'success',
    code: null,
    message: null,
    attempts: 1,
    at: '2026-11-24T09:00:00.320Z',
    effect: 'updated',
    version: null,
    changes: null,
  },
  {
    position: 1,
    entityId: 'contact-0',
    ref: 'row 2',
    status: 'failure',
    code: 'ENTITY_NOT_FOUND',
    message: 'no contact has this id',
    attempts: 1,
    at: '2026-11-24T09:00:00.320Z',
    effect: null,
    version: null,
    changes: null,
  },
];

/** The same outcomes as a CSV. */
export const RESULTS_CSV = `position,id,ref,status,code,message,attempts,at,effect,version
0,contact-1,,success,,,1,2026-11-24T09:00:00.320Z,updated,
1,contact-0,row 2,failure,ENTITY_NOT_FOUND,no contact has this id,1,2026-11-24T09:00:00.320Z,,
`;

export const LOG_SUMMARY: LogSummary = {
  actionId: ACTION_ID,
  success: 1,
  failure: 1,
  skipped: 0,
  codes: { ENTITY_NOT_FOUND: 1 },
  effects: { created: 0, updated: 1, unchanged: 0, deleted: 0 },
};

/**
 * Example bodies of POST /bulk-actions that work unchanged. The documentation omits those whose types an installation
 * lacks.
 */
export const REQUESTS: Readonly<
  Record<string, { readonly summary: string; readonly value: CreateActionRequest }>
> = {
  oneValueForAll: {
    summary: 'Set a field of many contacts to one value',
    value: {
      actionType: 'update',
      entityType: 'contact',
      config: { set: { ownerId: 'user-7' } },
      entities: [{ id: 'contact-1' }, { id: 'contact-2' }, { id: 'contact-3' }],
    },
  },
  aValueForEach: {
    summary: 'Set different values for each lead; null clears a field',
    value: {
      actionType: 'update',
      entityType: 'lead',
      entities: [
        { id: 'lead-1', ref: 'row 1', stage: 'qualified', value: 12000 },
        { id: 'lead-2', ref: 'row 2', stage: 'unqualified', value: null },
      ],
    },
  },
  relative: {
    summary: 'Add to a number, change lists, and clear a field; an entity has changes of its own',
    value: {
      actionType: 'update',
      entityType: 'contact',
      config: {
        set: { status: 'active' },
        unset: ['notes'],
        increment: { score: 5 },
        addToList: { tags: ['spring'] },
      },
      entities: [
        { id: 'contact-1' },
        { id: 'contact-2', increment: { score: -10 }, removeFromList: { tags: ['winter'] } },
      ],
    },
  },
  later: {
    summary: 'Run an action later, with low priority',
    value: {
      actionType: 'update',
      entityType: 'company',
      priority: 'low',
      scheduledFor: '2026-12-31T22:00:00+01:00',
      config: { set: { tags: ['key account'] } },
      entities: [{ id: 'company-1' }, { id: 'company-2' }],
    },
  },
  limited: {
    summary: 'Give up the rest when more than 5% have failed',
    value: {
      actionType: 'update',
      entityType: 'contact',
      maxFailures: '5%',
      onMaxFailures: 'fail',
      config: { set: { status: 'active' } },
      entities: [{ id: 'contact-1' }, { id: 'contact-2' }],
    },
  },
  create: {
    summary: 'Create contacts',
    value: {
      actionType: 'create',
      entityType: 'contact',
      entities: [{ id: 'new-contact-1', lastName: 'Lovelace', email: 'ada@example.com' }],
    },
  },
  upsert: {
    summary: 'Create companies, or change existing ones',
    value: {
      actionType: 'upsert',
      entityType: 'company',
      entities: [{ id: 'company-1', name: 'Analytical Engines', city: 'London' }],
    },
  },
  createWithoutIds: {
    summary: 'Create leads whose ids the platform chooses',
    value: {
      actionType: 'create',
      entityType: 'lead',
      entities: [{ ref: 'row 1', name: 'Ada Lovelace', externalId: 'crm-4711' }],
    },
  },
  matchByEmail: {
    summary: 'Change contacts that are found by their e-mail addresses',
    value: {
      actionType: 'update',
      entityType: 'contact',
      matchBy: 'email',
      entities: [
        { email: 'ada@example.com', ref: 'row 1', city: 'London' },
        { email: 'charles@example.com', ref: 'row 2', city: 'Totnes' },
      ],
    },
  },
  upsertByExternalId: {
    summary: 'Change companies that another system names, and create the others',
    value: {
      actionType: 'upsert',
      entityType: 'company',
      matchBy: 'externalId',
      entities: [{ externalId: 'erp-1001', name: 'Analytical Engines', city: 'London' }],
    },
  },
  delete: {
    summary: 'Delete leads',
    value: { actionType: 'delete', entityType: 'lead', entities: [{ id: 'lead-8' }, { id: 'lead-9' }] },
  },
  undoable: {
    summary: 'Keep the values before and after, so that the action can be undone',
    value: {
      actionType: 'update',
      changes: 'values',
      config: { set: { status: 'inactive' } },
      entities: [{ id: 'contact-1' }, { id: 'contact-2' }],
    },
  },
  filter: {
    summary: 'Change every record that meets conditions',
    value: {
      actionType: 'update',
      entityType: 'contact',
      config: { set: { ownerId: 'user-7' } },
      filter: { ownerId: 'user-1', status: { in: ['active', 'inactive'] }, tags: { contains: 'vip' } },
    },
  },
  dryRun: {
    summary: 'Predict the outcomes without changing anything',
    value: {
      actionType: 'update',
      dryRun: true,
      entities: [
        { id: 'contact-1', email: 'ada@example.com' },
        { id: 'contact-2', email: 'no address' },
      ],
    },
  },
};

/** Returns an example answer with one item. */
export function answered(data: unknown): Record<string, Example> {
  return { answer: { value: { success: true, data } } };
}

/** Returns an example answer with a page of items. */
export function answeredPage(data: readonly unknown[]): Record<string, Example> {
  const pagination = { total: data.length, limit: 50, skip: 0 };
  return { answer: { value: { success: true, data, pagination } } };
}

/** Returns an example answer with the first page of an action's outcomes, after which there are more. */
export function answeredLogPage(data: readonly LogEntry[]): Record<string, Example> {
  const pagination = { total: 800_000, limit: data.length, skip: 0, more: true, next: data.at(-1)?.position };
  return { answer: { value: { success: true, data, pagination } } };
}
