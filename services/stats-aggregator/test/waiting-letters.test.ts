import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { storedBytes } from '../src/upkeep/stored-bytes.ts';
import { WaitingLetters } from '../src/upkeep/waiting-letters.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeAll(async () => {
  harness = await AggregatorHarness.create();
});
afterAll(() => harness.installation.dispose());

it('finds the dead letters that wait and the age of the oldest, without reading them', async () => {
  const { installation, database, producer } = harness;
  const topic = installation.topics.deadLetters;
  const waiting = new WaitingLetters(installation.kafka, database, topic, () => new Date());
  expect(await waiting.read()).toEqual({ count: 0, oldestAt: undefined });

  const writtenAt = Date.now();
  const message = { key: null, value: Buffer.from('dead'), partition: 0, headers: {} };
  await producer.forward(topic, [message, message, message]);
  const all = await waiting.read();
  expect(all.count).toBe(3);
  expect(Math.abs(all.oldestAt!.getTime() - writtenAt)).toBeLessThan(2 * 60_000);

  const mark = (offset: number, state: 'replaying' | 'replayed' | 'dropped', failedAt = writtenAt) => ({
    _id: `0:${offset}`,
    state,
    at: new Date(),
    generation: null,
    failedAt,
  });
  await database.deadLetterMarks.insertMany([
    mark(0, 'replayed'),
    // Its replay may have been broken off.
    mark(1, 'replaying'),
    // It belongs to a topic that was deleted and created again.
    mark(2, 'dropped', writtenAt - 3_600_000),
  ]);
  expect((await waiting.read()).count).toBe(2);
  await database.deadLetterMarks.updateMany({}, { $set: { state: 'dropped', failedAt: writtenAt } });
  expect(await waiting.read()).toEqual({ count: 0, oldestAt: undefined });
});

it('shows what waits and what is stored as metrics', async () => {
  const bytes = await storedBytes(harness.database);
  expect([...bytes.keys()]).toEqual(['actions', 'action_logs', 'staged_batches']);
  for (const value of bytes.values()) expect(value).toBeGreaterThanOrEqual(0);
});
