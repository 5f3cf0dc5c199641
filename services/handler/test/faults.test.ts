import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ActionRegistry } from '@bulk/action-types';
import { MESSAGES } from '@bulk/contracts';
import { CodedError, success } from '@bulk/domain';
import { eventually } from '@bulk/testing';
import { entity, HandlerHarness, idsIn, withActionType, type ActionTypeOfTest } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

function actionType(
  name: string,
  process: ActionTypeOfTest['process'],
  processBatch?: ActionTypeOfTest['processBatch'],
): ActionRegistry {
  return withActionType(name, processBatch === undefined ? { process } : { process, processBatch });
}

describe('a poison message', () => {
  it('is dead-lettered unchanged, and the partition continues (G6)', async () => {
    const [id] = idsIn(2, 1) as [string];
    await harness.givenContacts([id]);
    const topic = harness.installation.topics.entityBatches.normal;
    const raw = harness.installation.kafka.producer();
    await raw.connect();
    const poison = Buffer.from([0, 1, 2, 255]);
    await raw.send({
      topic,
      messages: [{ key: 'k', value: poison, partition: 2, headers: { who: 'another program' } }],
    });
    await raw.disconnect();
    const actionId = randomUUID();
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 2,
      entities: [entity(0, id, { lastName: 'After' })],
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]!.status).toBe('success');
    const letter = await eventually('a dead letter', () => harness.deadLetters.messages[0]);
    const content = await harness.codec.decode(MESSAGES.deadLetter, letter.message.value);
    expect(content).toMatchObject({
      service: 'handler',
      code: 'MALFORMED_MESSAGE',
      topic,
      partition: 2,
      offset: 0,
    });
    expect(content.value).toEqual(poison);
    expect(String(content.headers['who'])).toBe('another program');
    expect(String(letter.message.headers?.['dead-letter-code'])).toBe('MALFORMED_MESSAGE');
  });

  it('fails at every position when it can be read, so that its action completes', async () => {
    const actionId = randomUUID();
    const ids = idsIn(0, 2);
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      actionType: 'of-a-newer-version',
      entities: ids.map((id, i) => entity(i, id, {})),
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ code, attempts }) => [code, attempts])).toEqual([
      ['DEAD_LETTERED', 3],
      ['DEAD_LETTERED', 3],
    ]);
    await eventually('a dead letter', () => harness.deadLetters.messages[0]);
  });
});

describe('a custom action type', () => {
  it('fails only the entity for which its code throws', async () => {
    const ids = idsIn(0, 5);
    const actionId = randomUUID();
    const registry = actionType('touchy', ({ id }) =>
      id === ids[2]
        ? Promise.reject(new TypeError('cannot read "x" of undefined'))
        : Promise.resolve(success()),
    );
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      actionType: 'touchy',
      entities: ids.map((id, i) => entity(i, id, {})),
    });
    await harness.start(registry);
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ code }) => code)).toEqual([null, null, 'PROCESSING_ERROR', null, null]);
    expect(result!.outcomes[2]!.message).toBe('the action type failed on this entity in an unexpected way');
  });

  it('is applied entity by entity in the last try when its processBatch throws', async () => {
    const ids = idsIn(1, 3);
    const actionId = randomUUID();
    let batches = 0;
    const registry = actionType(
      'fragile',
      ({ id }) => (id === ids[1] ? Promise.reject(new Error('this one')) : Promise.resolve(success())),
      () => {
        batches += 1;
        return Promise.reject(new RangeError('one of them'));
      },
    );
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 1,
      actionType: 'fragile',
      entities: ids.map((id, i) => entity(i, id, {})),
    });
    await harness.start(registry);
    const [result] = await harness.awaitResults(1, actionId);
    expect(batches).toBe(2);
    expect(result!.outcomes.map(({ code, attempts }) => [code, attempts])).toEqual([
      [null, 3],
      ['PROCESSING_ERROR', 3],
      [null, 3],
    ]);
  });

  it('is retried without limit while it reports a transient fault', async () => {
    const [id] = idsIn(2, 1) as [string];
    const actionId = randomUUID();
    let calls = 0;
    const registry = actionType('patient', () => {
      calls += 1;
      return calls < 8
        ? Promise.reject(new CodedError('UPSTREAM_AWAY', 'not now', { retryable: true }))
        : Promise.resolve(success());
    });
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 2,
      actionType: 'patient',
      entities: [entity(0, id, {})],
    });
    await harness.start(registry);
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]).toMatchObject({ status: 'success', attempts: 8 });
    expect(harness.deadLetters.messages).toHaveLength(0);
  });
});

describe('a batch overtaken by a later owner of its partition', () => {
  it('reports nothing and changes nothing (G5)', async () => {
    const [id, next] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([id, next]);
    const [late, after] = [randomUUID(), randomUUID()];
    await harness.publish(
      { actionId: late, batchNo: 0, partition: 0, entities: [entity(0, id, { lastName: 'Late' })] },
      { actionId: after, batchNo: 0, partition: 0, entities: [entity(0, next, { lastName: 'After' })] },
    );
    await harness.database
      .entities('contacts')
      .updateOne({ id }, { $set: { lastName: 'Owner', 'fence.normal': { partition: 0, offset: 1 } } });
    await harness.start();
    await harness.awaitResults(1, after);
    expect(await harness.resultsOf(late)).toEqual([]);
    expect((await harness.contact(id))?.['lastName']).toBe('Owner');
  });

  it('is distinguished from a batch of a topic that was created again, which is dead-lettered with its own code', async () => {
    const [id] = idsIn(0, 1) as [string];
    await harness.givenContacts([id]);
    await harness.database
      .entities('contacts')
      .updateOne({ id }, { $set: { 'fence.normal': { partition: 0, offset: 5_000 } } });
    const actionId = randomUUID();
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      entities: [entity(0, id, { lastName: 'After' })],
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes[0]).toMatchObject({ code: 'DEAD_LETTERED' });
    const letter = await eventually('a dead letter', () => harness.deadLetters.messages[0]);
    const content = await harness.codec.decode(MESSAGES.deadLetter, letter.message.value);
    expect(content).toMatchObject({ code: 'FENCE_AHEAD_OF_LOG' });
  });
});
