import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import type { BulkClient } from '@bulk/client';
import type { ActionDocument } from '@bulk/mongo';
import { checkAccounting, eventually, modelled, modelUpdate, type ModelOutcome } from '@bulk/testing';
import { ACCOUNT, InstallationUnderTest, scenario } from './installation-under-test.ts';

const SIZE = 3_000;
const BATCH_SIZE = 20;
const IN_FLIGHT = 10;
let system: InstallationUnderTest;
let client: BulkClient;
beforeAll(async () => {
  system = await InstallationUnderTest.start(
    { handler: 2, 'stats-aggregator': 2 },
    {},
    { BATCH_SIZE: String(BATCH_SIZE), DISPATCH_IN_FLIGHT_BATCHES: String(IN_FLIGHT) },
  );
  client = system.client();
}, 120_000);
afterAll(() => {
  client.close();
  return system.dispose();
});

const stored = async (actionId: string): Promise<ActionDocument> =>
  (await system.database.actions.findOne({ _id: actionId }))!;
const processedOf = ({ counts }: ActionDocument): number => counts.success + counts.failure + counts.skipped;

async function control(actionId: string, what: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${system.services.intakeUrl}/bulk-actions/${actionId}/${what}`, {
    method: 'POST',
    headers: { 'x-account-id': ACCOUNT },
  });
  const { data } = (await response.json()) as { data: Record<string, unknown> };
  expect([response.status, data['actionId']]).toEqual([what === 'retry' ? 202 : 200, expect.any(String)]);
  return data;
}

/** Starts an update, most of which is still ahead. */
async function running(mark: string): Promise<{ actionId: string; given: ReturnType<typeof scenario> }> {
  const given = scenario(SIZE, mark);
  await system.givenContacts(given.before);
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...given.entities] });
  await eventually('it is under way', async () => processedOf(await stored(actionId)) > 0, { everyMs: 5 });
  return { actionId, given };
}

async function outcomesOf(actionId: string): Promise<ModelOutcome[]> {
  const report = await checkAccounting(system.database, actionId);
  expect(report.breaches).toEqual([]);
  return modelled(report.outcomes);
}

describe('an action cancelled in the middle', () => {
  it.each([
    { mark: 'cancel', victims: [] },
    { mark: 'cancel-killed', victims: ['intake', 'handler', 'stats-aggregator'] },
  ])(
    'has one outcome for every position and leaves skipped entities unchanged ($mark)',
    async ({ mark, victims }) => {
      const { actionId, given } = await running(mark);
      const cancelling = await control(actionId, 'cancel');
      expect(cancelling).toMatchObject({ cancelling: true });
      for (const victim of victims) await system.services.member(victim).kill();
      for (const victim of victims) await system.services.restart(victim);
      await expect(client.waitForCompletion(actionId, { timeoutMs: 120_000 })).rejects.toMatchObject({
        code: 'ACTION_CANCELLED',
      });
      const outcomes = await outcomesOf(actionId);
      const cancelled = outcomes.filter(({ code }) => code === 'ACTION_CANCELLED');
      // The action stopped within the window that was in flight when it was cancelled.
      const carriedOut = SIZE - cancelled.length;
      const atMost = Number(cancelling['processed']) + 2 * IN_FLIGHT * BATCH_SIZE;
      expect(carriedOut).toBeGreaterThan(0);
      expect(carriedOut).toBeLessThanOrEqual(atMost);

      const model = modelUpdate(contact, given.before, given.entities);
      const contacts = await system.storedContacts(mark);
      for (const outcome of outcomes) {
        if (outcome.code !== 'ACTION_CANCELLED') expect(outcome).toEqual(model.outcomes[outcome.position]);
        if (outcome.status !== 'success') continue;
        expect(contacts.get(outcome.entityId)).toEqual({
          version: 2,
          fields: model.entities.get(outcome.entityId),
        });
      }
      const changed = new Set(
        outcomes.filter(({ status }) => status === 'success').map(({ entityId }) => entityId),
      );
      for (const [id, fields] of given.before) {
        if (!changed.has(id)) expect(contacts.get(id)).toEqual({ version: 1, fields });
      }
    },
    180_000,
  );
});

describe('an action paused in the middle', () => {
  it('stops within the window and completes after a resume', async () => {
    const { actionId, given } = await running('pause');
    expect(await control(actionId, 'pause')).toMatchObject({ status: 'paused' });
    const drained = await eventually('what was in flight has its outcomes', async () => {
      const action = await stored(actionId);
      return action.dispatch.lease === null && action.countedBatches === action.dispatch.nextBatch
        ? action
        : undefined;
    });
    expect(drained.status).toBe('paused');
    expect(processedOf(drained)).toBeLessThan(SIZE);
    // Another action overtakes it, so time has passed and nothing of it has moved.
    const other = scenario(100, 'concurrent');
    await system.givenContacts(other.before);
    const concurrent = await client.createAction({ actionType: 'update', entities: [...other.entities] });
    await client.waitForCompletion(concurrent.actionId, { timeoutMs: 60_000 });
    expect(processedOf(await stored(actionId))).toBe(processedOf(drained));

    await control(actionId, 'resume');
    await client.waitForCompletion(actionId, { timeoutMs: 120_000 });
    expect(await outcomesOf(actionId)).toEqual(modelUpdate(contact, given.before, given.entities).outcomes);
  }, 180_000);
});

describe('a dry run', () => {
  it('predicts the outcomes of the real action and changes nothing', async () => {
    const given = scenario(600, 'dry');
    await system.givenContacts(given.before);
    const before = await system.storedContacts('dry');
    const run = async (dryRun: boolean): Promise<ModelOutcome[]> => {
      const { actionId } = await client.createAction({
        actionType: 'update',
        dryRun,
        entities: [...given.entities],
      });
      await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
      return outcomesOf(actionId);
    };
    const foretold = await run(true);
    expect(await system.storedContacts('dry')).toEqual(before);
    expect(foretold).toEqual(modelUpdate(contact, given.before, given.entities).outcomes);
    expect(await run(false)).toEqual(foretold);
  }, 120_000);
});

describe('an upload as CSV', () => {
  it('creates records, retries failed rows and deletes records', async () => {
    const ids = Array.from({ length: 150 }, (_, i) => `csv-${i}`);
    const send = async (actionType: string, csv: string): Promise<string> => {
      const response = await fetch(`${system.services.intakeUrl}/bulk-actions?actionType=${actionType}`, {
        method: 'POST',
        headers: { 'x-account-id': ACCOUNT, 'content-type': 'text/csv' },
        body: csv,
      });
      expect(response.status).toBe(202);
      const { data } = (await response.json()) as { data: { actionId: string } };
      return data.actionId;
    };
    const results = async (actionId: string): Promise<string[]> => {
      const url = `${system.services.intakeUrl}/bulk-actions/${actionId}/results.csv?type=failure`;
      const response = await fetch(url, { headers: { 'x-account-id': ACCOUNT } });
      return (await response.text()).split('\n').slice(1, -1);
    };
    // The second half does not exist yet, and cannot be updated.
    const half = ids.length / 2;
    const created = await send('create', `id,lastName\n${ids.slice(0, half).map((id) => `${id},A\n`).join('')}`); // prettier-ignore
    expect(await client.waitForCompletion(created, { timeoutMs: 60_000 })).toMatchObject({ success: half });
    const updated = await send('update', `id,ref,score\n${ids.map((id) => `${id},row ${id},7\n`).join('')}`);
    expect(await client.waitForCompletion(updated, { timeoutMs: 60_000 })).toMatchObject({ failure: half });
    expect((await results(updated)).map((line) => line.split(',').slice(1, 5))).toEqual(
      ids.slice(half).map((id) => [id, `row ${id}`, 'failure', 'ENTITY_NOT_FOUND']),
    );

    const rest = await send('upsert', `id,lastName\n${ids.map((id) => `${id},B\n`).join('')}`);
    expect(await client.waitForCompletion(rest, { timeoutMs: 60_000 })).toMatchObject({
      success: ids.length,
    });
    const retried = await control(updated, 'retry');
    expect(retried).toMatchObject({ retryOf: updated, total: half });
    await client.waitForCompletion(String(retried['actionId']), { timeoutMs: 60_000 });
    const contacts = await system.storedContacts('csv-');
    expect(
      [...contacts.values()].every(({ fields }) => fields['score'] === 7 && fields['lastName'] === 'B'),
    ).toBe(true);
    expect(contacts.size).toBe(ids.length);

    const deleted = await send('delete', `id\n${ids.map((id) => `${id}\n`).join('')}`);
    expect(await client.waitForCompletion(deleted, { timeoutMs: 60_000 })).toMatchObject({
      success: ids.length,
    });
    const gone = await send('update', `id,score\n${ids.map((id) => `${id},8\n`).join('')}`);
    expect(await client.waitForCompletion(gone, { timeoutMs: 60_000 })).toMatchObject({
      failure: ids.length,
    });
  }, 180_000);
});
