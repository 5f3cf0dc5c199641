import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/actions';
import { allTopics } from '@bulk/contracts';
import {
  OWN_PARTS,
  replicationVariables,
  resetStack,
  startStack,
  type ProcessName,
  type RunningStack,
} from '@bulk/local-stack';
import { checkAccounting, eventually, Exposition, KafkaLeaders, modelUpdate } from '@bulk/testing';
import { ACCOUNT, InstallationUnderTest, scenario } from './installation-under-test.ts';

const ACTIONS = 5;
const SIZE = 20_000;
const BROKERS: readonly ProcessName[] = ['kafka', 'kafka-2', 'kafka-3'];
const INTAKES = ['intake', 'intake-2'];
/** What the gap sweeper counts: batches that dispatch had confirmed and nobody found. */
const MISSING_BATCHES = 'bulk_dispatch_missing_batches_total';
const STACK = `three-brokers-${process.pid}`;
/** Ample on a loaded machine: a minute or two is usual. */
const COMPLETION_MS = 600_000;

let stack: RunningStack;
let system: InstallationUnderTest;
beforeAll(async () => {
  stack = await startStack({ name: STACK, env: { ...process.env, ...OWN_PARTS }, brokers: 3 });
  system = await InstallationUnderTest.start(
    { intake: 2, handler: 3, 'stats-aggregator': 2 },
    {},
    {
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
      SCHEMA_REGISTRY_URL: stack.urls.schemaRegistryUrl,
      MONGODB_URI: stack.urls.mongodbUri,
      REDIS_URL: stack.urls.redisUrl,
      ...replicationVariables(stack.urls),
    },
  );
}, 300_000);
afterAll(async () => {
  await system.dispose();
  await resetStack(STACK);
}, 120_000);

describe('brokers that are restarted one after the other, and leaders that move, while actions run', () => {
  it('lose and repeat nothing: every position has one outcome, entities are those of the model', async () => {
    const scenarios = Array.from({ length: ACTIONS }, (_, i) => ({
      mark: `brokers-${i}`,
      ...scenario(SIZE, `brokers-${i}`),
    }));
    for (const { before } of scenarios) await system.givenContacts(before);
    const { topics, kafka } = system.installation;
    const leaders = await KafkaLeaders.of(kafka, allTopics(topics));
    const actionIds: string[] = [];
    const unfinished = async (): Promise<number> =>
      system.database.actions.countDocuments({ _id: { $in: actionIds }, status: { $ne: 'completed' } });

    for (const [i, { entities }] of scenarios.entries()) {
      const intakeUrl = system.services.urlOf(INTAKES[i % INTAKES.length] ?? 'intake');
      // Refused while Kafka elects leaders at the worst; the client repeats the request under one key.
      const { actionId } = await system
        .client(ACCOUNT, intakeUrl)
        .createAction({ actionType: 'update', entities: [...entities] });
      actionIds.push(actionId);
      const broker = BROKERS[i % BROKERS.length] ?? 'kafka';
      await stack.halt(broker);
      // Restarted after the end, it would prove nothing.
      expect(await unfinished()).toBeGreaterThan(0);
      await stack.resume(broker);
      await leaders.untilInSync();
      await leaders.move();
    }

    await eventually('all actions are completed', async () => (await unfinished()) === 0, {
      timeoutMs: COMPLETION_MS,
      everyMs: 500,
    });
    for (const [i, { mark, before, entities }] of scenarios.entries()) {
      const model = modelUpdate(contact, before, entities);
      const report = await checkAccounting(system.database, actionIds[i] ?? '');
      expect(report.breaches).toEqual([]);
      expect(
        report.outcomes.map(({ position, entityId, status, code }) => ({ position, entityId, status, code })),
      ).toEqual(model.outcomes);
      const stored = await system.storedContacts(mark);
      const different = [...model.entities].filter(
        ([id, fields]) => JSON.stringify(stored.get(id)?.fields) !== JSON.stringify(fields),
      );
      for (const [id, fields] of different) expect([id, stored.get(id)?.fields]).toEqual([id, fields]);
      // Once each: a second application would have raised the version again.
      const changed = model.outcomes.filter(({ status }) => status === 'success');
      expect(changed.filter(({ entityId }) => stored.get(entityId)?.version !== 2)).toEqual([]);
    }
    for (const intake of INTAKES) {
      const { samples } = await Exposition.scrape(system.services.member(intake).launch.adminPort);
      expect(samples.filter(({ name, value }) => name === MISSING_BATCHES && value > 0)).toEqual([]);
    }
    await leaders.close();
  }, 900_000);
});
