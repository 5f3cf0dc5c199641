import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MESSAGES } from '@bulk/contracts';
import { eventually } from '@bulk/testing';
import { entity, HandlerHarness, idsIn } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

const POISON = Buffer.from([0, 1, 2, 255]);

/** Publishes arbitrary bytes on lane normal. */
async function publishRaw(
  partition: number,
  value: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const producer = harness.installation.kafka.producer();
  await producer.connect();
  const topic = harness.installation.topics.entityBatches.normal;
  await producer.send({ topic, messages: [{ key: 'k', value, partition, headers: { ...headers } }] });
  await producer.disconnect();
}

async function letters(n: number): Promise<Record<string, string>[]> {
  const found = await eventually(`${n} dead letters`, () =>
    harness.deadLetters.messages.length >= n ? harness.deadLetters.messages : undefined,
  );
  return found.map(({ message }) =>
    Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])),
  );
}

describe('a batch that cannot be read', () => {
  it.each([
    ['no Avro', () => Promise.resolve(POISON)],
    [
      'no JSON in it',
      async (actionId: string) => {
        const { topics } = harness.installation;
        return harness.codec.encode(topics.entityBatches.normal, {
          actionId,
          accountId: 'acme',
          actionType: 'update',
          entityType: 'contact',
          lane: 'normal',
          config: 'not JSON',
          dryRun: false,
          cancelled: false,
          batchNo: 0,
          entities: [],
        });
      },
    ],
  ])('fails at every position that its headers and the staged batch identify (%s)', async (_what, value) => {
    const actionId = randomUUID();
    const ids = idsIn(1, 3);
    const entities = ids.map((id, i) => entity(i * 2, id, { lastName: 'After' }, i === 1 ? 'row 1' : null));
    await harness.givenStagedBatch(actionId, 0, 1, entities);
    await publishRaw(1, await value(actionId), { 'action-id': actionId, 'batch-no': '0', generation: '2' });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result).toMatchObject({
      resultId: `${actionId}:0`,
      accountId: 'acme',
      generation: 2,
      source: { topic: harness.installation.topics.entityBatches.normal, partition: 1, offset: 0 },
    });
    expect(
      result!.outcomes.map(({ position, entityId, ref, status, code }) => [
        position,
        entityId,
        ref,
        status,
        code,
      ]),
    ).toEqual([
      [0, ids[0], null, 'failure', 'DEAD_LETTERED'],
      [2, ids[1], 'row 1', 'failure', 'DEAD_LETTERED'],
      [4, ids[2], null, 'failure', 'DEAD_LETTERED'],
    ]);
    const [headers] = await letters(1);
    expect(headers).toEqual({
      'dead-letter-code': 'MALFORMED_MESSAGE',
      'dead-letter-service': 'handler',
      'dead-letter-attempts': '1',
      'dead-letter-origin': `${harness.installation.topics.entityBatches.normal}/1/0`,
      'action-id': actionId,
      'batch-no': '0',
      generation: '2',
    });
  });

  it('gets no outcome when its positions are unknown, and the partition continues', async () => {
    const [actionId, elsewhere, end] = [randomUUID(), randomUUID(), randomUUID()];
    const [id] = idsIn(0, 1) as [string];
    await harness.givenContacts([id]);
    // The batch is staged for another partition, so that these headers may not refer to it.
    await harness.givenStagedBatch(elsewhere, 0, 1, [entity(0, id, {})]);
    await publishRaw(0, POISON, { 'action-id': actionId, 'batch-no': '0' });
    await publishRaw(0, POISON, { 'action-id': elsewhere, 'batch-no': '0' });
    await publishRaw(0, POISON, {});
    await harness.publish({
      actionId: end,
      batchNo: 0,
      partition: 0,
      entities: [entity(0, id, { city: 'Bonn' })],
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, end);
    expect(result!.outcomes[0]!.status).toBe('success');
    expect(harness.results.messages).toHaveLength(1);
    const headers = await letters(3);
    expect(headers.map((one) => one['action-id'])).toEqual([actionId, elsewhere, undefined]);
  });
});

describe('a readable batch that cannot be processed', () => {
  it('is dead-lettered with headers that name its action although its own do not, and keeps its generation', async () => {
    const actionId = randomUUID();
    const [id] = idsIn(0, 1) as [string];
    await harness.publish({
      actionId,
      batchNo: 3,
      partition: 0,
      actionType: 'of-a-newer-version',
      entities: [entity(0, id, {})],
      generation: 1,
    });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result).toMatchObject({ generation: 1, outcomes: [{ code: 'DEAD_LETTERED' }] });
    const [headers] = await letters(1);
    expect(headers).toMatchObject({ 'action-id': actionId, 'batch-no': '3', generation: '1' });
    const [letter] = harness.deadLetters.messages;
    const content = await harness.codec.decode(MESSAGES.deadLetter, letter!.message.value);
    expect(Object.keys(content.headers)).toEqual(['generation']);
  });
});
