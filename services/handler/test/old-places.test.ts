import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeEntities, entityBatchEncoder } from '@bulk/contracts';
import { TopicIds } from '@bulk/kafka';
import { completeEpoch, EPOCH_PLACES, startEpoch } from '@bulk/mongo';
import { encodePlaceHeaders } from '../src/retry/retry-headers.ts';
import { entity, HandlerHarness, idsIn } from './harness.ts';

const PARTITION = 0;
let harness: HandlerHarness;
let topic: string;
beforeEach(async () => {
  harness = await HandlerHarness.create();
  const { installation, database } = harness;
  topic = installation.topics.entityBatches.normal;
  const ids = new TopicIds(installation.kafka);
  const lanes = await ids.of(Object.values(installation.topics.entityBatches));
  await ids.close();
  await startEpoch(database, installation.env['TOPIC_PREFIX']!, lanes);
  await completeEpoch(database);
});
afterEach(() => harness.installation.dispose());

/** Publishes an update of one position each as `ops rebuild-kafka` does: to be applied at its old place. */
async function publishAt(place: number, lastName: string, ids: readonly string[]): Promise<string> {
  const actionId = randomUUID();
  const identity = { actionId, accountId: 'acme', actionType: 'update', entityType: 'contact', lane: 'normal' } as const; // prettier-ignore
  const entities = encodeEntities(ids.map((id, i) => entity(i, id, { lastName })));
  const value = await harness.codec.encode(topic, entityBatchEncoder(identity, {})({ batchNo: 0, entities }));
  const key = Buffer.from(actionId);
  const message = { topic, partition: PARTITION, offset: place - EPOCH_PLACES, key, value, headers: {} };
  const headers = encodePlaceHeaders(message, Date.now());
  await harness.producer.forward(topic, [{ key, value, partition: PARTITION, headers }]);
  return actionId;
}

describe('a batch that keeps its place in a lane that was lost', () => {
  it('is applied before the batches behind it, and is not superseded by them', async () => {
    const [id] = idsIn(PARTITION, 1) as [string];
    await harness.givenContacts([id]);
    const seen = await publishAt(5, 'Seen', [id]);
    const unseen = randomUUID();
    const entities = [entity(0, id, { lastName: 'Unseen' })];
    await harness.publish({ actionId: unseen, batchNo: 0, partition: PARTITION, entities });
    await harness.start();
    const found = await harness.awaitResults(2, seen, unseen);
    expect(found.map(({ actionId, outcomes }) => [actionId, outcomes[0]!.status])).toEqual([
      [seen, 'success'],
      [unseen, 'success'],
    ]);
    expect(found[0]!.source).toEqual({ topic, partition: PARTITION, offset: 5 - EPOCH_PLACES });
    expect(await harness.contact(id)).toMatchObject({
      lastName: 'Unseen',
      version: 3,
      fence: { normal: { partition: PARTITION, offset: EPOCH_PLACES + 1 } },
    });
  });

  it('reports what it has changed before, and loses to a later batch that was applied', async () => {
    const [own, later] = idsIn(PARTITION, 2) as [string, string];
    await harness.givenContacts([own, later]);
    const contacts = harness.database.entities('contacts');
    for (const [id, offset] of [
      [own, 5],
      [later, 7],
    ] as const)
      // prettier-ignore
      await contacts.updateOne(
        { id },
        { $set: { version: 2, lastName: 'Changed', fence: { normal: { partition: PARTITION, offset } } } },
      );
    const seen = await publishAt(5, 'Changed', [own, later]);
    await harness.start();
    const [result] = await harness.awaitResults(1, seen);
    expect(result!.outcomes.map(({ status, code }) => [status, code])).toEqual([
      ['success', null],
      ['failure', 'SUPERSEDED'],
    ]);
    expect((await harness.contacts()).map(({ version }) => version)).toEqual([2, 2]);
    expect(harness.deadLetters.messages).toEqual([]);
  });
});
