import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { logEntrySchema, logPaginationSchema, type LogPagination } from '@bulk/contracts';
import { OUTCOME_STATUSES, partitionOf as routed, type OutcomeStatus } from '@bulk/domain';
import type { ActionLogDocument } from '@bulk/mongo';
import fc from 'fast-check';
import { IntakeHarness, PARTITIONS } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const SIZE = 60;
const BATCH = 4;
const statusAt = (position: number): OutcomeStatus =>
  position % 7 === 3 ? 'failure' : position % 5 === 1 ? 'skipped' : 'success';
const codeAt = (position: number): string => (position % 2 === 0 ? 'SOME_CODE' : 'OTHER_CODE');
const refAt = (position: number): string => `row ${position % 10}`;
const partitionOf = (position: number): number => routed('contact', `c${position}`, PARTITIONS);

function logOf(actionId: string, batchNo: number, positions: readonly number[]): ActionLogDocument {
  const counts = { success: 0, failure: 0, skipped: 0 };
  const outcomes = positions.map((position) => {
    const status = statusAt(position);
    counts[status] += 1;
    const code = status === 'success' ? null : codeAt(position);
    return {
      position,
      entityId: `c${position}`,
      ref: refAt(position),
      status,
      code,
      message: code,
      attempts: 1,
    };
  });
  return {
    _id: `${actionId}:${batchNo}`, actionId, batchNo, partition: partitionOf(positions[0]!), counts, outcomes,
    firstPosition: positions[0]!, lastPosition: positions.at(-1)!,
    source: { partition: 0, offset: batchNo }, at: new Date(0),
  }; // prettier-ignore
}

/** Builds the batches of an action of SIZE positions, as they are routed. */
function batchesOf(actionId: string): ActionLogDocument[] {
  const all = Array.from({ length: SIZE }, (_, i) => i);
  return Array.from({ length: PARTITIONS }, (_, partition) => all.filter((p) => partitionOf(p) === partition))
    .flatMap((own) => Array.from({ length: Math.ceil(own.length / BATCH) }, (_, i) => own.slice(i * BATCH, (i + 1) * BATCH)))
    .map((positions, batchNo) => logOf(actionId, batchNo, positions)); // prettier-ignore
}

async function given(total = SIZE): Promise<string> {
  const actionId = randomUUID();
  await harness.accepted(actionId, 1, new Date('2999-01-01T00:00:00Z'));
  await harness.database.actions.updateOne({ _id: actionId }, { $set: { status: 'processing', total } });
  return actionId;
}

/** Stores the outcomes of a batch, as stats-aggregator would. */
async function record(log: ActionLogDocument): Promise<void> {
  const { success, failure, skipped } = log.counts;
  await harness.database.actionLogs.insertOne(log);
  await harness.database.actions.updateOne(
    { _id: log.actionId },
    { $inc: { 'counts.success': success, 'counts.failure': failure, 'counts.skipped': skipped } },
  );
}

async function page(
  actionId: string,
  query: string,
): Promise<{ positions: number[]; pagination: LogPagination }> {
  const { status, body } = await harness.get(`/bulk-actions/${actionId}/logs?${query}`);
  expect(status).toBe(200);
  const entries = (body.data as unknown as unknown[]).map((entry) => logEntrySchema.strict().parse(entry));
  const pagination = logPaginationSchema.strict().parse(body.pagination);
  return { positions: entries.map(({ position }) => position), pagination };
}

const wanted = (type?: OutcomeStatus): number[] =>
  Array.from({ length: SIZE }, (_, i) => i).filter((p) => type === undefined || statusAt(p) === type);

describe('the logs of a running action', () => {
  it.each([undefined, ...OUTCOME_STATUSES])(
    'omit and repeat no outcome (type: %s) when read page by page with `after`, in whatever order the outcomes arrive',
    async (type) => {
      const order = fc.sample(
        fc.shuffledSubarray([...batchesOf('').keys()], { minLength: batchesOf('').length }),
        {
          numRuns: 3,
          seed: 7,
        },
      );
      for (const turns of order) {
        const actionId = await given();
        const batches = batchesOf(actionId);
        const seen: number[] = [];
        let next = '';
        for (let more: boolean = true; more;) {
          const arriving = turns.shift();
          const found = await page(actionId, `limit=5${type === undefined ? '' : `&type=${type}`}${next}`);
          seen.push(...found.positions);
          more = found.pagination.more === true;
          if (found.pagination.next !== undefined) next = `&after=${found.pagination.next}`;
          if (arriving !== undefined) await record(batches[arriving]!);
        }
        expect(seen).toEqual(wanted(type));
      }
    },
  );

  it('omit no outcome when a caller continues after the last position instead of `next`', async () => {
    const actionId = await given();
    const batches = batchesOf(actionId);
    const late = batches[1]!;
    for (const log of batches) if (log !== late) await record(log);
    const first = await page(actionId, 'limit=1000');
    expect(first.positions).toEqual(wanted().slice(0, late.firstPosition));
    await record(late);
    const rest = await page(actionId, `limit=1000&after=${first.positions.at(-1)!}`);
    expect([...first.positions, ...rest.positions]).toEqual(wanted());
  });

  it('hold the outcomes so far, repeat none and end when read from the highest position', async () => {
    const actionId = await given();
    const [late, ...others] = batchesOf(actionId);
    for (const log of others) await record(log);
    const soFar = wanted().filter((p) => !late!.outcomes.some(({ position }) => position === p));
    const first = await page(actionId, 'sort=-position&limit=20');
    expect(first.positions).toEqual([...soFar].reverse().slice(0, 20));
    await record(late!);
    const below = first.positions.at(-1)!;
    expect(first.pagination).toMatchObject({ more: true, next: below });
    const rest = await page(actionId, `sort=-position&limit=1000&after=${below}`);
    expect(rest.positions).toEqual(
      wanted()
        .filter((p) => p < below)
        .reverse(),
    );
    expect(rest.pagination).toMatchObject({ more: false });
  });

  it('hold the outcomes so far when read with `skip` and as a file', async () => {
    const actionId = await given();
    const [late, ...others] = batchesOf(actionId);
    for (const log of others) await record(log);
    const soFar = wanted().filter((p) => !late!.outcomes.some(({ position }) => position === p));
    expect(await page(actionId, 'limit=1000&skip=0')).toEqual({
      positions: soFar,
      pagination: { total: soFar.length, limit: 1_000, skip: 0 },
    });
    const file = await fetch(`${harness.url}/bulk-actions/${actionId}/results.ndjson`, {
      headers: { 'x-account-id': 'acme' },
    });
    expect((await file.text()).trim().split('\n')).toHaveLength(soFar.length);
  });

  it('read a bounded number of positions for one page and continue after them', async () => {
    const fat = 10_000;
    const actionId = await given(4 * fat);
    const template = logOf(actionId, 0, [0]);
    for (let batchNo = 0; batchNo < 3; batchNo += 1) {
      const outcomes = Array.from({ length: fat }, (_, i) => ({
        ...template.outcomes[0]!,
        position: batchNo * fat + i,
        status: batchNo === 2 && i === 5 ? ('failure' as const) : ('success' as const),
      }));
      await record({
        ...template,
        _id: `${actionId}:${batchNo}`,
        batchNo,
        outcomes,
        firstPosition: batchNo * fat,
        lastPosition: (batchNo + 1) * fat - 1,
        counts: { success: fat, failure: batchNo === 2 ? 1 : 0, skipped: 0 },
      });
    }
    const first = await page(actionId, 'type=failure');
    expect(first).toMatchObject({ positions: [], pagination: { more: true, next: 19_999 } });
    const second = await page(actionId, 'type=failure&after=19999');
    expect(second).toMatchObject({ positions: [20_005], pagination: { more: true, next: 29_999 } });
  });
});

describe('the logs in the order of `sort`', () => {
  it.each([undefined, ...OUTCOME_STATUSES])(
    'omit and repeat no outcome (type: %s) when an ended action is read from its end, by `after` and by `skip`',
    async (type) => {
      const actionId = await given();
      for (const log of batchesOf(actionId)) await record(log);
      await harness.database.actions.updateOne({ _id: actionId }, { $set: { status: 'completed' } });
      const ofType = type === undefined ? '' : `&type=${type}`;
      const expected = wanted(type).reverse();
      for (const limit of [1, 7, 1_000]) {
        const seen: number[] = [];
        let next = '';
        for (let more: boolean = true; more;) {
          const found = await page(actionId, `sort=-position&limit=${limit}${ofType}${next}`);
          seen.push(...found.positions);
          more = found.pagination.more === true;
          next = `&after=${found.pagination.next}`;
        }
        expect(seen).toEqual(expected);
      }
      for (const skip of [0, 3, 59, 61]) {
        const found = await page(actionId, `sort=-position&limit=5${ofType}&skip=${skip}`);
        expect(found.positions).toEqual(expected.slice(skip, skip + 5));
      }
      for (let after = 0; after <= SIZE; after += 1) {
        const found = await page(actionId, `sort=-position&limit=3${ofType}&after=${after}`);
        expect(found.positions).toEqual(expected.filter((p) => p < after).slice(0, 3));
      }
    },
  );

  it('are ascending for `position`, which is also the default', async () => {
    const actionId = await given();
    for (const log of batchesOf(actionId)) await record(log);
    expect(await page(actionId, 'sort=position&limit=9')).toEqual(await page(actionId, 'limit=9'));
  });

  it('are refused for any other field, with the fields that exist', async () => {
    const actionId = await given();
    for (const sort of ['at', 'status', '--position', '', 'position,-position']) {
      const { status, body } = await harness.get(`/bulk-actions/${actionId}/logs?sort=${sort}`);
      expect([status, body.error?.code]).toEqual([400, 'INVALID_REQUEST']);
      expect(body.error?.details).toEqual([
        { field: 'sort', message: 'expected one of position, -position' },
      ]);
    }
  });
});

describe('the filters of logs and results', () => {
  const filters: readonly [string, (position: number) => boolean][] = [
    ['code=SOME_CODE', (p) => statusAt(p) !== 'success' && codeAt(p) === 'SOME_CODE'],
    ['code=SOME_CODE,OTHER_CODE&type=failure', (p) => statusAt(p) === 'failure'],
    ['code=OTHER_CODE&code=NO_SUCH_CODE', (p) => statusAt(p) !== 'success' && codeAt(p) === 'OTHER_CODE'],
    ['code=SOME_CODE&type=success', () => false],
    ['id=c17', (p) => p === 17],
    ['ref=row%203', (p) => p % 10 === 3],
    ['id=c13&ref=row%203&code=OTHER_CODE', (p) => p === 13 && statusAt(p) !== 'success'],
    ['id=nobody', () => false],
  ];

  it('select the same outcomes of an ended action in pages, in both orders, and in downloads', async () => {
    const actionId = await given();
    for (const log of batchesOf(actionId)) await record(log);
    const coded = wanted().filter((p) => statusAt(p) !== 'success');
    const SOME_CODE = coded.filter((p) => codeAt(p) === 'SOME_CODE').length;
    const codes = { SOME_CODE, OTHER_CODE: coded.length - SOME_CODE };
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { codes } });
    for (const [query, selects] of filters) {
      const expected = wanted().filter(selects);
      for (const order of ['', '&sort=-position']) {
        const found: number[] = [];
        let after: string | undefined = '';
        while (after !== undefined) {
          const { positions, pagination } = await page(actionId, `${query}&limit=3${order}${after}`);
          found.push(...positions);
          after = pagination.more === true ? `&after=${pagination.next}` : undefined;
        }
        expect([query, found]).toEqual([query, order === '' ? expected : [...expected].reverse()]);
      }
      const headers = { 'x-account-id': 'acme' };
      const path = `/bulk-actions/${actionId}/results.ndjson?${query}`;
      const text = await (await fetch(`${harness.url}${path}`, { headers })).text();
      const rows = text.split('\n').filter((line) => line !== '');
      expect(rows.map((line) => logEntrySchema.parse(JSON.parse(line)).position)).toEqual(expected);
    }
    expect((await page(actionId, 'code=SOME_CODE&limit=1')).pagination.total).toBe(SOME_CODE);
  });

  it('end a page of a running action before the first position without an outcome', async () => {
    const actionId = await given();
    const batches = batchesOf(actionId);
    const late = batches.find(({ outcomes }) => outcomes.some(({ position }) => position === 17))!;
    for (const log of batches) if (log !== late) await record(log);
    const before = await page(actionId, 'id=c17');
    expect(before).toMatchObject({ positions: [], pagination: { more: true } });
    const gap = late.firstPosition;
    expect(before.pagination.next ?? -1).toBe(gap - 1);
    await record(late);
    const after = gap === 0 ? '' : `&after=${gap - 1}`;
    expect((await page(actionId, `id=c17${after}`)).positions).toEqual([17]);
  });

  it.each([
    ['code=not-a-code', 'code'],
    ['code=', 'code'],
    ['code=A&code=b', 'code'],
    ['id=', 'id'],
    ['ref=', 'ref'],
    ['id=a&id=b', 'id'],
    ['code=A&skip=0', 'skip'],
  ])('refuse %s with 400 and the name of the field', async (query, field) => {
    const { status, body } = await harness.get(`/bulk-actions/${randomUUID()}/logs?${query}`);
    expect(status).toBe(400);
    const [issue] = body.error?.details as { field: string }[];
    expect(issue?.field.startsWith(field)).toBe(true);
  });
});
