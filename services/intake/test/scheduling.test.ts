import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { IntakeHarness, positionsOf } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SIZE = 40;
const everyPosition = Array.from({ length: SIZE }, (_, i) => i);
const dispatched = (actionId: string): Promise<unknown> =>
  eventually('it is dispatched', async () => {
    return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
  });
const publishedPositions = async (actionId: string): Promise<number[]> =>
  eventually('all positions', async () => {
    const positions = positionsOf(await harness.published(actionId));
    return positions.length >= SIZE ? positions : undefined;
  });
const post = async (scheduledFor: string): Promise<Record<string, unknown>> => {
  const entities = everyPosition.map((i) => ({ id: `c${i}`, lastName: 'A' }));
  const { status, body } = await harness.post({ actionType: 'update', scheduledFor, entities });
  expect(status).toBe(202);
  return body.data ?? {};
};

describe('scheduled actions', () => {
  it('start once each when they are due and several instances search for them', async () => {
    await Promise.all([harness.start(), harness.start(), harness.start()]);
    const due = new Date(Date.now() + 1_500);
    const actions = await Promise.all(
      Array.from({ length: 12 }, () => harness.accepted(randomUUID(), SIZE, due)),
    );
    for (const { _id } of actions) await dispatched(_id);
    for (const { _id } of actions) {
      // A batch that was published twice would have its positions here twice.
      expect(await publishedPositions(_id)).toEqual(everyPosition);
      const action = await harness.database.actions.findOne({ _id });
      expect(action?.queuedAt?.getTime()).toBeGreaterThanOrEqual(due.getTime());
    }
    expect(harness.submitted.messages).toHaveLength(actions.length);
  });

  it('start after all instances were down when they became due', async () => {
    const { _id } = await harness.accepted(randomUUID(), SIZE, new Date(Date.now() - 60_000));
    expect(await harness.published(_id)).toEqual([]);
    await harness.start();
    await dispatched(_id);
    expect(await publishedPositions(_id)).toEqual(everyPosition);
  });

  it('accept a time with an offset and start at once when it has passed', async () => {
    await harness.start();
    const instant = new Date(Date.now() + 300 * DAY_MS);
    const local = new Date(instant.getTime() + 5.5 * HOUR_MS).toISOString().replace('Z', '+05:30');
    const later = await post(local);
    expect(later).toMatchObject({
      status: 'pending',
      scheduledFor: instant.toISOString(),
      queuedAt: null,
    });
    const past = await post('1970-01-01T00:00:00-08:00');
    expect(past['scheduledFor']).toBe('1970-01-01T08:00:00.000Z');
    await dispatched(String(past['actionId']));
    expect(await publishedPositions(String(past['actionId']))).toEqual(everyPosition);
    expect(await harness.published(String(later['actionId']))).toEqual([]);
  });
});
