import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/actions';
import { checkAccounting, eventually, modelUpdate } from '@bulk/testing';
import { InstallationUnderTest, scenario } from './installation-under-test.ts';

const SIZE = 4_000;
const GRACE_MS = 15_000;
let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start(
    { handler: 2, 'stats-aggregator': 2 },
    {},
    // No commit in between but that at the end of a fetch.
    { SHUTDOWN_GRACE_MS: String(GRACE_MS), COMMIT_INTERVAL_MS: '60000' },
  );
}, 120_000);
afterAll(() => system.dispose());

/** Whom SIGTERM meets, all of them at once, and how far the action is by then. */
const STOPS = [
  { stopped: ['handler', 'handler-2'], after: 0.1 },
  { stopped: ['stats-aggregator', 'stats-aggregator-2'], after: 0.1 },
  { stopped: ['handler-2', 'stats-aggregator-2', 'notifier'], after: 0.1 },
  { stopped: ['intake'], after: 0 },
];

/** The next offset of each partition of a topic that a group will be given. */
async function committed(group: string, topic: string): Promise<number[]> {
  const admin = system.installation.kafka.admin();
  await admin.connect();
  try {
    const groupId = `${system.installation.env['TOPIC_PREFIX']!}${group}`;
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return [0, 1, 2].map((partition) =>
      Math.max(0, Number(offsets?.partitions.find((each) => each.partition === partition)?.offset ?? 0)),
    );
  } finally {
    await admin.disconnect();
  }
}

/** The offset after the last one of each partition of the lane whose batch has changed a contact. */
async function applied(mark: string): Promise<number[]> {
  const { database } = system;
  const changed = await database
    .entities(contact.collection)
    .find({ _id: { $gte: `acme:${mark}`, $lt: `acme:${mark}\uffff` } })
    .toArray();
  return [0, 1, 2].map((partition) =>
    Math.max(
      ...changed
        .map(({ fence }) => fence?.normal)
        .filter((at) => at?.partition === partition)
        .map((at) => at!.offset + 1),
    ),
  );
}

describe('a process that is asked to stop in the middle of an action', () => {
  it.each(STOPS)(
    '$stopped: ends well within its grace time, and nothing is lost or done twice',
    async ({ stopped, after }) => {
      const mark = stopped.join('');
      const { before, entities } = scenario(SIZE, mark);
      const model = modelUpdate(contact, before, entities);
      await system.givenContacts(before);
      const client = system.client();
      const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
      const completed = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
      completed.catch(() => undefined);
      await eventually(
        'the action is under way',
        async () => {
          const action = await system.database.actions.findOne({ _id: actionId });
          return (action?.counts.success ?? -1) >= SIZE * after;
        },
        { everyMs: 10 },
      );

      const begin = performance.now();
      const exits = await Promise.all(
        stopped.map((name) => system.services.member(name).stop(GRACE_MS + 5_000)),
      );
      expect(exits).toEqual(stopped.map(() => ({ code: 0, signal: null })));
      expect(performance.now() - begin).toBeLessThan(GRACE_MS);
      const action = await system.database.actions.findOne({ _id: actionId });
      // Stopped after the end, it would prove nothing.
      expect(action?.status).not.toBe('completed');
      const { topics } = system.installation;
      // All of them are down: what was done is committed, to the message, so that none comes twice.
      if (mark.startsWith('handlerhandler'))
        expect(await committed('handler.normal', topics.entityBatches.normal)).toEqual(await applied(mark));
      if (mark.startsWith('stats-aggregatorstats')) {
        const counted = await committed('stats-aggregator', topics.results);
        const logs = await system.database.actionLogs.find({ actionId }).toArray();
        const last = Math.max(...logs.map(({ source }) => source.offset + 1));
        expect(counted[logs[0]!.source.partition]).toBe(last);
      }
      for (const name of stopped) await system.services.restart(name);

      expect(await completed).toMatchObject({ status: 'completed', processed: SIZE });
      const report = await checkAccounting(system.database, actionId);
      expect(report.breaches).toEqual([]);
      expect(
        report.outcomes.map(({ position, entityId, status, code }) => ({ position, entityId, status, code })),
      ).toEqual(model.outcomes);
      const stored = await system.storedContacts(mark);
      const changed = model.outcomes
        .filter(({ status }) => status === 'success')
        .map(({ entityId }) => entityId);
      expect(changed.filter((id) => stored.get(id)?.version !== 2)).toEqual([]);
    },
    120_000,
  );
});
