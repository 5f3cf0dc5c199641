import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import type { BulkClient } from '@bulk/client';
import { MESSAGES, type BatchResult } from '@bulk/contracts';
import {
  eventually,
  linkTo,
  modelAction,
  testUrls,
  TopicReader,
  type BreakableLink,
  type GivenEntity,
  type ModelEntity,
  type ModelResult,
} from '@bulk/testing';
import { InstallationUnderTest, modelOf, scenario } from './installation-under-test.ts';

const SIZE = 3_000;
const BATCH_SIZE = 20;
/** Maximum number of stalls. A stall between two batches proves little, so another one is tried. */
const TRIES = 10;
/** Delay between a handler and MongoDB in each direction, in ms, so that it is almost always in the middle of a batch. */
const DELAY_MS = 20;
let system: InstallationUnderTest;
let link: BreakableLink;
let client: BulkClient;
let results: TopicReader;
beforeAll(async () => {
  const linked = await linkTo('mongodb', testUrls());
  link = linked.link;
  const batchSize = { BATCH_SIZE: String(BATCH_SIZE) };
  system = await InstallationUnderTest.start({ handler: 2 }, {}, batchSize, { handler: linked.env });
  client = system.client();
  results = await TopicReader.open(system.installation.kafka, [system.installation.topics.results]);
}, 120_000);
afterAll(async () => {
  client.close();
  await results.close();
  await system.dispose();
  await link.close();
});

async function start(entities: readonly GivenEntity[]): Promise<string> {
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
  return actionId;
}

/** Returns every result of an action that was ever produced, counted or not. */
async function resultsOf(actionId: string): Promise<BatchResult[]> {
  const codec = await system.installation.codec();
  const all = await Promise.all(
    results.messages.map(({ message }) => codec.decode(MESSAGES.batchResult, message.value)),
  );
  return all.filter((result) => result.actionId === actionId);
}

async function expectAccounts(actionId: string, model: ModelResult<ModelEntity>): Promise<void> {
  await system.expectAccounts(actionId, model);
  for (const { outcomes } of await resultsOf(actionId)) {
    for (const { position, entityId, status, code, effect } of outcomes)
      expect({ position, entityId, status, code, effect }).toEqual(model.outcomes[position]);
  }
}

async function untilStalledIs(state: 'gone' | 'there'): Promise<void> {
  const admin = system.installation.kafka.admin();
  await admin.connect();
  const groupId = `${system.installation.env['TOPIC_PREFIX'] ?? ''}handler.normal`;
  await eventually(
    `the stalled handler is ${state}`,
    async () => {
      const [group] = (await admin.describeGroups([groupId])).groups;
      return group?.state === 'Stable' && group.members.length === (state === 'there' ? 2 : 1);
    },
    { timeoutMs: 90_000, everyMs: 200 },
  );
  await admin.disconnect();
}

/** Stalls a handler once. @returns whether it was in the middle of a batch. */
async function stall(mark: string): Promise<boolean> {
  const zombie = system.services.member('handler');
  const given = scenario(SIZE, mark);
  const second = given.entities.map((entity) => ({ ...entity, lastName: 'Later', score: 7 }));
  const first = modelOf(given);
  const last = modelAction('update', contact, first.entities, second);
  await system.givenContacts(given.before);

  link.delay(DELAY_MS);
  const actionId = await start(given.entities);
  const done = await eventually(
    'the action is under way',
    async () => (await system.database.actionLogs.countDocuments({ actionId })) || undefined,
    { everyMs: 5 },
  );
  expect(zombie.suspend()).toBe(true);
  link.delay(0);
  expect(done).toBeLessThan(SIZE / BATCH_SIZE);
  await untilStalledIs('gone');
  await client.waitForCompletion(actionId, { timeoutMs: 120_000 });
  const later = await start(second);
  await client.waitForCompletion(later, { timeoutMs: 120_000 });
  await system.expectContacts(mark, last.entities);

  expect(zombie.wake()).toBe(true);
  await untilStalledIs('there');
  // Anything that the zombie had started has ended before it could join.
  await system.expectContacts(mark, last.entities);
  await expectAccounts(actionId, first);
  await expectAccounts(later, last);
  return zombie.tail(1_000).includes('Chunk left');
}

describe('a handler stalled past its session in the middle of an action', () => {
  it('wakes to find its batches done, changes no entity and reports no outcome that counts', async () => {
    let inTheMiddle = false;
    for (let i = 0; i < TRIES && !inTheMiddle; i += 1) inTheMiddle = await stall(`zombie${i}`);
    expect(inTheMiddle).toBe(true);
    const letters = system.installation.kafka.admin();
    await letters.connect();
    const ends = await letters.fetchTopicOffsets(system.installation.topics.deadLetters);
    await letters.disconnect();
    expect(ends.map(({ high }) => high)).toEqual(ends.map(() => '0'));
  }, 400_000);
});
