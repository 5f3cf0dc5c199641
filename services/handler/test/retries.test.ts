import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PermanentError, RetryableError, retryLater, success } from '@bulk/domain';
import { entity, HandlerHarness, idsIn, withActionType } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

/** Publishes one batch of these contacts in partition 0 for action type `own`. */
async function publishOwn(ids: readonly string[]): Promise<string> {
  const actionId = randomUUID();
  await harness.publish({
    actionId,
    batchNo: 0,
    partition: 0,
    actionType: 'own',
    entities: ids.map((id, i) => entity(i, id, {})),
  });
  return actionId;
}

/** Counts calls per entity. */
class Calls {
  readonly byId = new Map<string, number>();

  next(id: string): number {
    const n = (this.byId.get(id) ?? 0) + 1;
    this.byId.set(id, n);
    return n;
  }
}

describe('an entity that fails', () => {
  it('with a transient error is retried without the other entities of its batch', async () => {
    const ids = idsIn(0, 4);
    const calls = new Calls();
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: ({ id }) =>
          calls.next(id) < 3 && id === ids[1]
            ? Promise.reject(new RetryableError('held by someone else'))
            : Promise.resolve(success()),
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['success', 1],
      ['success', 3],
      ['success', 1],
      ['success', 1],
    ]);
    expect(ids.map((id) => calls.byId.get(id))).toEqual([1, 3, 1, 1]);
  });

  it('with a network fault of its own call is retried', async () => {
    const ids = idsIn(0, 2);
    const calls = new Calls();
    const actionId = await publishOwn(ids);
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    await harness.start(
      withActionType('own', {
        process: ({ id }) =>
          calls.next(id) < 2 && id === ids[0]
            ? Promise.reject(new TypeError('fetch failed', { cause: reset }))
            : Promise.resolve(success()),
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['success', 2],
      ['success', 1],
    ]);
  });

  it('with a permanent error gets a failure at once, with its own code', async () => {
    const ids = idsIn(0, 3);
    const calls = new Calls();
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: ({ id }) => {
          calls.next(id);
          if (id === ids[0]) return Promise.reject(new PermanentError('ACCOUNT_CLOSED', 'closed in March'));
          // A code that cannot be a key of a document is not adopted.
          if (id === ids[1]) return Promise.reject(new PermanentError('account.closed', 'closed in May'));
          return Promise.resolve(success());
        },
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ code, message, attempts }) => [code, message, attempts])).toEqual([
      ['ACCOUNT_CLOSED', 'closed in March', 1],
      ['PROCESSING_ERROR', 'closed in May', 1],
      [null, null, 1],
    ]);
    expect([...calls.byId.values()]).toEqual([1, 1, 1]);
    expect(harness.deadLetters.messages).toHaveLength(0);
  });

  it('in every try gets RETRIES_EXHAUSTED with its last message', async () => {
    const ids = idsIn(0, 2);
    const calls = new Calls();
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: ({ id }) =>
          id === ids[0]
            ? Promise.reject(new RetryableError(`refused ${calls.next(id)} times`))
            : Promise.resolve(success()),
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]).toMatchObject({
      status: 'failure',
      code: 'RETRIES_EXHAUSTED',
      message: 'refused 3 times',
      attempts: 3,
    });
    expect(result!.outcomes[1]).toMatchObject({ status: 'success', attempts: 1 });
    expect(harness.deadLetters.messages).toHaveLength(0);
  });
});

describe('the retry policy', () => {
  it('comes from the action, else from its type, else from the installation', async () => {
    const [id] = idsIn(0, 1) as [string];
    const batch = { batchNo: 0, partition: 0, entities: [entity(0, id, {})] };
    const [own, types, greedy] = [randomUUID(), randomUUID(), randomUUID()];
    await harness.publish(
      { ...batch, actionId: own, actionType: 'own', retry: { maxAttempts: 2 } },
      { ...batch, actionId: types, actionType: 'own' },
      { ...batch, actionId: greedy, actionType: 'own', retry: { maxAttempts: 100, maxDelayMs: 2 } },
    );
    await harness.start(
      withActionType('own', {
        process: () => Promise.reject(new RetryableError('no')),
        retry: { maxAttempts: 4, initialDelayMs: 1 },
      }),
    );
    const results = await harness.awaitResults(3, own, types, greedy);
    expect(results.map(({ outcomes }) => outcomes[0]!.attempts)).toEqual([2, 4, 20]);
  });
});

describe('processBatch', () => {
  it('is called again only with the entities for which it requested a retry', async () => {
    const ids = idsIn(0, 4);
    const asked: string[][] = [];
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: () => Promise.reject(new Error('not one by one')),
        processBatch: (entities) => {
          asked.push(entities.map(({ id }) => id));
          const late = asked.length === 1 ? [ids[1], ids[2]] : asked.length === 2 ? [ids[2]] : [];
          return Promise.resolve(
            entities.map(({ id }) => (late.includes(id) ? retryLater('quota') : success())),
          );
        },
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(asked).toEqual([ids, [ids[1], ids[2]], [ids[2]]]);
    expect(result!.outcomes.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['success', 1],
      ['success', 2],
      ['success', 3],
      ['success', 1],
    ]);
  });

  it('is replaced by single calls at once when it throws a permanent error', async () => {
    const ids = idsIn(0, 3);
    let batches = 0;
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: ({ id }) =>
          id === ids[1] ? Promise.reject(new PermanentError('GONE', 'gone')) : Promise.resolve(success()),
        processBatch: () => {
          batches += 1;
          return Promise.reject(new PermanentError('GONE', 'one of them is gone'));
        },
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(batches).toBe(1);
    expect(result!.outcomes.map(({ code, attempts }) => [code, attempts])).toEqual([
      [null, 1],
      ['GONE', 1],
      [null, 1],
    ]);
  });

  it('keeps settled outcomes when it throws in a retry', async () => {
    const ids = idsIn(0, 2);
    let batches = 0;
    const actionId = await publishOwn(ids);
    await harness.start(
      withActionType('own', {
        process: () => Promise.reject(new RetryableError('still held')),
        processBatch: (entities) => {
          batches += 1;
          if (batches > 1) return Promise.reject(new RangeError('a bug of the second try'));
          return Promise.resolve(entities.map(({ id }) => (id === ids[0] ? success() : retryLater('held'))));
        },
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]).toMatchObject({ status: 'success', attempts: 1 });
    expect(result!.outcomes[1]).toMatchObject({ code: 'RETRIES_EXHAUSTED', message: 'still held' });
  });
});

describe('a long wait in place', () => {
  beforeEach(async () => {
    await harness.installation.dispose();
    harness = await HandlerHarness.create({
      // The broker's shortest session. The wait is longer.
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_HEARTBEAT_INTERVAL_MS: '1000',
      MAX_ATTEMPTS: '100',
      RETRY_INITIAL_DELAY_MS: '3000',
      RETRY_MAX_DELAY_MS: '3000',
    });
  });

  it('keeps the session by heartbeats, so that nothing is redelivered', async () => {
    const ids = idsIn(0, 1);
    const calls = new Calls();
    const actionId = await publishOwn(ids);
    const started = Date.now();
    const service = await harness.start(
      withActionType('own', {
        process: ({ id }) => {
          calls.next(id);
          return Date.now() - started < 9_000
            ? Promise.reject(new RetryableError('not yet'))
            : Promise.resolve(success());
        },
      }),
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(service.failures).toEqual([]);
    expect(result!.outcomes[0]!.attempts).toBe(calls.byId.get(ids[0]!));
  });
});
