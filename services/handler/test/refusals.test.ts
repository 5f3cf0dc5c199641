import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PermanentError } from '@bulk/domain';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { connectRedis, redisConfigSchema, type Redis } from '@bulk/redis';
import { eventually } from '@bulk/testing';
import { OwnRedis } from '@bulk/testing/own-redis';
import { entity, HandlerHarness, idsIn, withActionType } from './harness.ts';

/** A text of the driver. No customer may read it. */
const DRIVER_TEXT = 'not authorized on crm to execute command { update: "contacts" } at 10.1.2.3:27017';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

async function isReady(): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${harness.adminPort}/readyz`)).status === 200;
}

async function isExposed(line: RegExp): Promise<boolean> {
  return line.test(await (await fetch(`http://127.0.0.1:${harness.adminPort}/metrics`)).text());
}

describe('a Redis that answers but refuses work', () => {
  let own: OwnRedis;
  let admin: Redis;
  beforeEach(async () => {
    own = await OwnRedis.start();
    harness.installation.onDispose(() => own.stop());
    const config = loadConfig(redisConfigSchema, { REDIS_URL: own.url });
    admin = await eventually('Redis answers', () =>
      connectRedis(config, silentLogger()).catch(() => undefined),
    );
    harness.installation.onDispose(() => {
      admin.disconnect();
      return Promise.resolve();
    });
  });

  it('makes batches wait and handler unready until it has memory again, and fails no entity', async () => {
    const ids = idsIn(0, 3);
    await harness.givenContacts(ids);
    const actionId = randomUUID();
    await harness.start(undefined, { REDIS_URL: own.url });
    await eventually('handler is ready', isReady);
    await admin.config('SET', 'maxmemory', '1');
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      entities: ids.map((id, i) => entity(i, id, { lastName: 'After' })),
    });
    await eventually('handler is not ready', async () => !(await isReady()));
    // Redis answers every probe meanwhile. The alert BulkServiceNotReady looks at this metric.
    for (const until = Date.now() + 1_500; Date.now() < until;) {
      expect(await isReady()).toBe(false);
      expect(await isExposed(/^bulk_ready\{service="handler",installation="[^"]+"\} 0$/m)).toBe(true);
      await eventually('the next look', () => true, { everyMs: 50 });
    }
    expect(await harness.resultsOf(actionId)).toEqual([]);
    await admin.config('SET', 'maxmemory', '0');
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ status }) => status)).toEqual(['success', 'success', 'success']);
    expect(harness.deadLetters.messages).toEqual([]);
    await eventually('handler is ready again', isReady);
  });
});

describe('a document that MongoDB refuses', () => {
  it('fails its entity at the first try, and is delivered again with the same outcomes', async () => {
    const [kept, refused, other] = idsIn(0, 3) as [string, string, string];
    await harness.givenContacts([kept, refused, other]);
    const validator = { lastName: { $ne: 'Refused' } };
    await harness.database.db.command({ collMod: 'contacts', validator });
    const actionId = randomUUID();
    const rename = (position: number, id: string, lastName: string) => entity(position, id, { lastName });
    // The batches share a group, and their writes share a bulk write.
    await harness.publish(
      {
        actionId,
        batchNo: 0,
        partition: 0,
        entities: [rename(0, kept, 'After'), rename(1, refused, 'Refused')],
      },
      { actionId, batchNo: 1, partition: 0, entities: [rename(2, other, 'After')] },
    );
    await harness.start();
    const first = await harness.awaitResults(2, actionId);
    const byBatch = first.toSorted((a, b) => a.batchNo - b.batchNo);
    expect(byBatch.map(({ outcomes }) => outcomes.map(({ code, attempts }) => [code, attempts]))).toEqual([
      [
        [null, 1],
        ['INVALID_ENTITY', 1],
      ],
      [[null, 1]],
    ]);
    await harness.stop();
    await harness.rewind();
    await harness.start();
    const again = (await harness.awaitResults(4, actionId)).slice(2);
    expect(again.toSorted((a, b) => a.batchNo - b.batchNo).map(({ outcomes }) => outcomes)).toEqual(
      byBatch.map(({ outcomes }) => outcomes),
    );
    expect((await harness.contacts()).map(({ id, version }) => [id, version]).sort()).toEqual(
      [
        [kept, 2],
        [refused, 1],
        [other, 2],
      ].sort(),
    );
    expect(harness.deadLetters.messages).toEqual([]);
  });
});

describe('an error message for the customer', () => {
  it('never contains the text of an unexpected error or of a failed call by an action type', async () => {
    const ids = idsIn(0, 3);
    const actionId = randomUUID();
    const errors = [
      new TypeError(DRIVER_TEXT),
      Object.assign(new Error(DRIVER_TEXT), { code: 'ECONNREFUSED' }),
      new PermanentError('NO_SEAT', 'the account has no seat left'),
    ];
    const registry = withActionType('touchy', {
      retry: { maxAttempts: 1 },
      process: ({ position }) => Promise.reject(errors[position] ?? new Error('none')),
    });
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      actionType: 'touchy',
      entities: ids.map((id, i) => entity(i, id, {})),
    });
    await harness.start(registry);
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ code }) => code)).toEqual([
      'PROCESSING_ERROR',
      'RETRIES_EXHAUSTED',
      'NO_SEAT',
    ]);
    expect(JSON.stringify(result)).not.toContain('10.1.2.3');
    expect(result!.outcomes[2]!.message).toBe('the account has no seat left');
  });

  it('never contains the text of the error for which a batch is dead-lettered', async () => {
    const [id] = idsIn(0, 1) as [string];
    const actionId = randomUUID();
    // An action type that this handler does not know makes the batch fail as a whole.
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      actionType: 'crm@10.1.2.3',
      entities: [entity(0, id, {})],
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]!.code).toBe('DEAD_LETTERED');
    expect(result!.outcomes[0]!.message).not.toContain('10.1.2.3');
    await eventually('the dead letter', () => harness.deadLetters.messages.length === 1);
  });
});
