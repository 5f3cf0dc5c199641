import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually, rawRequest } from '@bulk/testing';
import { Collection, type FindCursor } from 'mongodb';
import { IntakeHarness, PARTITIONS } from './harness.ts';

const BATCHES = 300;
const A_YEAR_MS = 31_536_000_000;

let harness: IntakeHarness;
let actionId: string;
/** All cursors that were opened on the logs, and those that were not closed. */
const opened: FindCursor[] = [];
const unclosed = new Set<FindCursor>();

beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
  actionId = randomUUID();
  await harness.accepted(actionId, 10, new Date(Date.now() + A_YEAR_MS));
  await harness.database.actionLogs.insertMany(
    Array.from({ length: BATCHES }, (_, batchNo) => ({
      _id: `${actionId}:${batchNo}`,
      actionId,
      batchNo,
      partition: batchNo % PARTITIONS,
      counts: { success: 0, failure: 10, skipped: 0 },
      outcomes: Array.from({ length: 10 }, (_, i) => ({
        position: batchNo * 10 + i,
        entityId: `c${batchNo * 10 + i}`,
        ref: null,
        status: 'failure' as const,
        code: 'A_CODE',
        // So large that no buffer on the way holds all of it.
        message: 'x'.repeat(4_000),
        attempts: 1,
      })),
      firstPosition: batchNo * 10,
      lastPosition: batchNo * 10 + 9,
      source: { partition: 0, offset: batchNo },
      at: new Date(1_000),
    })),
  );
  const find: (this: Collection, ...args: unknown[]) => unknown = Reflect.get(Collection.prototype, 'find');
  jest.spyOn(Collection.prototype, 'find').mockImplementation(function (
    this: Collection,
    ...args: unknown[]
  ) {
    const cursor = find.apply(this, args) as FindCursor;
    if (this.collectionName !== harness.database.actionLogs.collectionName) return cursor;
    opened.push(cursor);
    unclosed.add(cursor);
    const close = cursor.close.bind(cursor);
    cursor.close = (...options) => {
      unclosed.delete(cursor);
      return close(...options);
    };
    return cursor;
  } as Collection['find']);
});
afterAll(async () => {
  jest.restoreAllMocks();
  await harness.installation.dispose();
});

describe.each(['csv', 'ndjson'])('results.%s', (format) => {
  const path = (): string => `/bulk-actions/${actionId}/results.${format}`;

  it('opens no cursor for HEAD', async () => {
    const answer = await fetch(`${harness.url}${path()}`, {
      method: 'HEAD',
      headers: { 'x-account-id': 'acme' },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(format);
    expect(answer.headers.get('content-disposition')).toMatch(`.${format}`);
    expect(unclosed.size).toBe(0);
  });

  it('closes its cursors whenever the client disconnects before the end', async () => {
    const before = opened.length;
    const { port } = new URL(harness.url);
    const request = `GET ${path()} HTTP/1.1\r\nhost: h\r\nx-account-id: acme\r\n\r\n`;
    for (const atLeast of [0, 1, 100_000]) {
      await rawRequest(Number(port), request, { until: (text) => text.length >= atLeast });
    }
    // The client leaves before the first piece arrives.
    const leave = new AbortController();
    const left = fetch(`${harness.url}${path()}`, {
      headers: { 'x-account-id': 'acme' },
      signal: leave.signal,
    }).catch(() => undefined);
    await eventually('its cursors are open', () => opened.length >= before + 4 * PARTITIONS, { everyMs: 1 });
    leave.abort();
    await left;
    await eventually('every cursor is closed', () => unclosed.size === 0);
  });
});
