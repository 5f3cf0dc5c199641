import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ActionDocument, Database } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { uuidv7 } from 'uuidv7';
import { Janitor } from '../src/clean-up/janitor.ts';
import { IntakeHarness, LATE_WRITE_MS } from './harness.ts';

const HOUR_MS = 3_600_000;
/** More than one round. */
const MANY = 250;
const BATCHES = 2;

interface Sent {
  readonly name: string;
  readonly command: Readonly<Record<string, unknown>>;
}

let harness: IntakeHarness;
let template: ActionDocument;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  template = await harness.accepted(randomUUID(), 5);
});
afterAll(() => harness.installation.dispose());
beforeEach(async () => {
  await harness.database.actions.deleteMany({});
  await harness.database.stagedBatches.deleteMany({});
});

/** Creates a janitor with a connection of its own, whose clock is ahead by `aheadMs`. */
async function janitor(
  aheadMs: number,
  onCommand: (sent: Sent) => void = () => undefined,
): Promise<{ janitor: Janitor; database: Database }> {
  const database = await harness.installation.database((command) => {
    onCommand({ name: String(Object.keys(command)[0]), command });
  });
  const options = {
    stagingTimeoutMs: HOUR_MS,
    stagedRetentionMs: HOUR_MS,
    lateWriteMs: LATE_WRITE_MS,
    now: () => new Date(Date.now() + aheadMs),
  };
  return { janitor: new Janitor(database, options, silentLogger()), database };
}

/** Stores actions with `change` applied, each with its staged batches. */
async function given(count: number, change: Partial<ActionDocument>): Promise<string[]> {
  const actions = Array.from({ length: count }, (_, i) => ({
    ...template,
    ...change,
    _id: uuidv7(),
    batchCount: BATCHES,
    ...(change.finishedAt ? { finishedAt: new Date(change.finishedAt.getTime() + i) } : {}),
  }));
  await harness.database.actions.insertMany(actions);
  await harness.database.stagedBatches.insertMany(
    actions.flatMap(({ _id: actionId }) =>
      Array.from({ length: BATCHES }, (_, batchNo) => ({
        _id: `${actionId}:${batchNo}`,
        actionId,
        batchNo,
        partition: 0,
        entities: [],
      })),
    ),
  );
  return actions.map(({ _id }) => _id);
}

const longAgo = () => new Date(Date.now() - 2 * HOUR_MS);
const givenEnded = (count: number) =>
  given(count, {
    status: 'completed',
    finishedAt: longAgo(),
    dispatch: { nextBatch: BATCHES, done: true, lease: null },
  });
const givenBrokenOff = (count: number) =>
  given(count, { status: 'staging', dispatch: { nextBatch: 0, done: false, lease: null } });

/** Returns the actions whose batches a command removes. */
function removedBy({ name, command }: Sent): string[] {
  if (name !== 'delete' || command['delete'] !== 'staged_batches') return [];
  const [statement] = command['deletes'] as {
    q: { actionId?: { $in: string[] }; _id?: { $in: string[] } };
  }[];
  return (
    statement?.q.actionId?.$in ?? (statement?.q._id?.$in ?? []).map((id) => id.slice(0, id.lastIndexOf(':')))
  );
}

describe('the clean-up', () => {
  it('removes the batches of hundreds of ended actions in one sweep, with far fewer commands than actions', async () => {
    await givenEnded(MANY);
    const sent: Sent[] = [];
    const one = await janitor(0, (command) => sent.push(command));
    sent.length = 0;
    expect(await one.janitor.sweep()).toEqual({ broken: 0, ended: MANY });
    expect(await harness.database.stagedBatches.countDocuments({})).toBe(0);
    expect(await harness.database.actions.countDocuments({ 'dispatch.purged': true })).toBe(MANY);
    expect(await harness.database.actions.countDocuments({ 'dispatch.cleanUp': { $exists: true } })).toBe(0);
    expect(sent.length).toBeLessThan(MANY / 5);
    expect(await one.janitor.sweep()).toEqual({ broken: 0, ended: 0 });
  });

  it('removes hundreds of broken-off uploads in one sweep', async () => {
    await givenBrokenOff(MANY);
    expect(await (await janitor(2 * HOUR_MS)).janitor.sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await (await janitor(3 * HOUR_MS)).janitor.sweep()).toEqual({ broken: MANY, ended: 0 });
    expect(await harness.database.actions.countDocuments({})).toBe(0);
    expect(await harness.database.stagedBatches.countDocuments({})).toBe(0);
  });

  it('divides its work between two janitors without overlap', async () => {
    const ids = [...(await givenEnded(MANY)), ...(await givenBrokenOff(MANY))];
    await (await janitor(2 * HOUR_MS)).janitor.sweep();
    await harness.database.actions.updateMany({}, { $unset: { 'dispatch.purged': '' } });
    const removed: string[][] = [[], []];
    const both = await Promise.all(
      removed.map((own) => janitor(3 * HOUR_MS, (sent) => own.push(...removedBy(sent)))),
    );
    const missing = (await harness.database.actions.find({ status: 'completed' }).toArray()).map(({ _id: actionId }) => ({
      _id: `${actionId}:0`, actionId, batchNo: 0, partition: 0, entities: [],
    })); // prettier-ignore
    await harness.database.stagedBatches.insertMany(missing);
    const swept = await Promise.all(both.map((one) => one.janitor.sweep()));
    expect(swept.reduce((sum, { broken }) => sum + broken, 0)).toBe(MANY);
    expect(swept.reduce((sum, { ended }) => sum + ended, 0)).toBe(MANY);
    const [first, second] = removed.map((own) => new Set(own));
    expect([...first!].filter((id) => second!.has(id))).toEqual([]);
    expect(first!.size + second!.size).toBe(ids.length);
    expect(await harness.database.stagedBatches.countDocuments({})).toBe(0);
  });

  it('leaves an action to the janitor that has claimed it until the claim expires', async () => {
    const [claimed] = await givenEnded(2);
    await harness.database.actions.updateOne(
      { _id: claimed! },
      { $set: { 'dispatch.cleanUp': { owner: 'another', until: new Date(Date.now() + 600_000) } } },
    );
    expect(await (await janitor(0)).janitor.sweep()).toEqual({ broken: 0, ended: 1 });
    expect(await harness.database.stagedBatches.distinct('actionId')).toEqual([claimed]);
    expect(await (await janitor(HOUR_MS)).janitor.sweep()).toEqual({ broken: 0, ended: 1 });
    expect(await harness.database.stagedBatches.countDocuments({})).toBe(0);
  });

  it('stops between two commands when the service stops, and hands its claims back', async () => {
    await givenEnded(MANY);
    await givenBrokenOff(1);
    const stopping = new AbortController();
    const one = await janitor(0, (sent) => {
      if (removedBy(sent).length > 0) stopping.abort();
    });
    expect(await one.janitor.sweep(stopping.signal)).toEqual({ broken: 0, ended: 0 });
    expect(await harness.database.actions.countDocuments({ 'dispatch.cleanUp': { $exists: true } })).toBe(0);
    expect(await harness.database.stagedBatches.countDocuments({})).toBeGreaterThan(0);
    expect(await (await janitor(0)).janitor.sweep()).toEqual({ broken: 0, ended: MANY });
  });
});
