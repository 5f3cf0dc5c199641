import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { OWN_PARTS, resetStack, startStack, type RunningStack } from '@bulk/local-stack';
import { checkAccounting, eventually, modelUpdate } from '@bulk/testing';
import { ServiceProcess } from '@bulk/tools';
import { InstallationUnderTest, scenario } from './installation-under-test.ts';

const SIZE = 2_000;
const STACK = `outages-${process.pid}`;
let stack: RunningStack;
let system: InstallationUnderTest;
beforeAll(async () => {
  // Durable: otherwise a killed MongoDB loses acknowledged counts of committed results, and the
  // action stands still.
  const env = { ...process.env, ...OWN_PARTS, STACK_MONGO_DURABLE: 'true' };
  stack = await startStack({ name: STACK, env });
  system = await InstallationUnderTest.start(
    { handler: 2, 'stats-aggregator': 2 },
    {},
    {
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
      SCHEMA_REGISTRY_URL: stack.urls.schemaRegistryUrl,
      MONGODB_URI: stack.urls.mongodbUri,
      REDIS_URL: stack.urls.redisUrl,
      READINESS_PROBE_INTERVAL_MS: '200',
      READINESS_PROBE_TIMEOUT_MS: '3000',
    },
  );
}, 180_000);
afterAll(async () => {
  await system.dispose();
  await stack.stop();
  await resetStack(STACK);
}, 120_000);

interface Readiness {
  readonly ready: boolean;
  readonly components: Readonly<Record<string, { readonly state: string } | undefined>>;
}

async function readiness({ launch }: ServiceProcess): Promise<Readiness> {
  const response = await fetch(`http://127.0.0.1:${launch.adminPort}/readyz`);
  const report = (await response.json()) as Readiness;
  expect(response.status).toBe(report.ready ? 200 : 503);
  return report;
}

const says = (service: ServiceProcess, component: string, state: string): Promise<unknown> =>
  eventually(
    `${service.name}: ${component} is ${state}`,
    async () => (await readiness(service)).components[component]?.state === state,
  );

const isReady = (service: ServiceProcess): Promise<unknown> =>
  eventually(`${service.name} is ready`, async () => (await readiness(service)).ready);

function linesOf({ output }: ServiceProcess['launch']): string[] {
  return output.kind === 'file' ? readFileSync(output.path, 'utf8').trimEnd().split('\n') : [];
}

/** Counts how often a service has logged `message` of a dependency, from a line on. */
function logged({ launch }: ServiceProcess, message: string, dependency: string, from = 0): number {
  return linesOf(launch)
    .slice(from)
    .filter((line) => line.includes(`"${message}"`) && line.includes(`"dependency":"${dependency}"`)).length;
}

/** Returns whether `instance` is one of `service`: the second one of `handler` is `handler-2`. */
const isInstanceOf = (instance: string, service: string): boolean =>
  instance === service || (/^-\d+$/.test(instance.slice(service.length)) && instance.startsWith(service));

/** The killed part, its name on `/readyz`, and the services that always need it. */
const OUTAGES = [
  { part: 'redis', component: 'redis', needs: ['handler'] },
  { part: 'mongo', component: 'mongodb', needs: ['intake', 'handler', 'stats-aggregator', 'notifier'] },
  { part: 'kafka', component: 'kafka', needs: ['intake', 'handler', 'stats-aggregator', 'notifier'] },
  // Running services have all the schemas that they need.
  { part: 'registry', component: 'schema registry', needs: [] },
] as const;

async function givenAction(
  mark: string,
): Promise<{ actionId: string; done: Promise<unknown>; model: ReturnType<typeof modelUpdate> }> {
  const { before, entities } = scenario(SIZE, mark);
  await system.givenContacts(before);
  const client = system.client();
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
  const done = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
  done.catch(() => undefined);
  return { actionId, done, model: modelUpdate(contact, before, entities) };
}

async function expectExact(
  actionId: string,
  mark: string,
  model: ReturnType<typeof modelUpdate>,
): Promise<void> {
  const report = await checkAccounting(system.database, actionId);
  expect(report.breaches).toEqual([]);
  expect(
    report.outcomes.map(({ position, entityId, status, code }) => ({ position, entityId, status, code })),
  ).toEqual(model.outcomes);
  const stored = await system.storedContacts(mark);
  for (const [id, fields] of model.entities) expect([id, stored.get(id)?.fields]).toEqual([id, fields]);
  const changed = model.outcomes.filter(({ status }) => status === 'success').map(({ entityId }) => entityId);
  expect(changed.filter((id) => stored.get(id)?.version !== 2)).toEqual([]);
}

describe('a dependency killed and restarted in the middle of an action', () => {
  it.each(OUTAGES)(
    'restarts no service, changes readiness, and the action completes exactly ($part)',
    async ({ part, component, needs }) => {
      const members = [...system.services.members];
      const pids = members.map(({ pid }) => pid);
      const { actionId, done, model } = await givenAction(part);
      const atDeath = await eventually(
        'the action is under way',
        async () => {
          const action = await system.database.actions.findOne({ _id: actionId });
          return action !== null && action.counts.success >= SIZE / 20 ? action : undefined;
        },
        { everyMs: 10 },
      );
      // A kill after the end would prove nothing.
      expect(atDeath.counts.success).toBeLessThan(SIZE / 2);
      await stack.halt(part, 'SIGKILL');
      const affected = members.filter(({ name }) => needs.some((service) => isInstanceOf(name, service)));
      for (const member of affected) await says(member, component, 'waiting');
      await stack.resume(part);
      for (const member of members) await isReady(member);
      expect(await done).toMatchObject({ status: 'completed', processed: SIZE });
      await expectExact(actionId, part, model);
      expect(members.map((member) => member.running && member.pid)).toEqual(pids);
      for (const member of affected) {
        const { name } = member;
        expect([name, logged(member, 'Dependency unavailable', component)]).toEqual([name, 1]);
        expect([name, logged(member, 'Dependency recovered', component)]).toEqual([name, 1]);
      }
    },
    120_000,
  );
});

describe('services started before their dependencies', () => {
  /** In the order in which a service waits for them. */
  const NEEDS: Readonly<Record<string, readonly string[]>> = {
    intake: ['mongodb', 'kafka', 'schema registry'],
    handler: ['mongodb', 'redis', 'kafka', 'schema registry'],
    'stats-aggregator': ['mongodb', 'kafka', 'schema registry'],
    notifier: ['mongodb', 'kafka', 'schema registry'],
  };

  it('report what they wait for, once in the log and on /readyz, and continue by themselves', async () => {
    const former = [...system.services.members];
    for (const exit of await Promise.all(former.map((member) => member.stop())))
      expect(exit).toEqual({ code: 0, signal: null });
    for (const { part } of [...OUTAGES].reverse()) await stack.halt(part);
    const before = new Map(former.map(({ name, launch }) => [name, linesOf(launch).length]));
    const needsOf = ({ name }: ServiceProcess): readonly string[] =>
      Object.entries(NEEDS).find(([service]) => isInstanceOf(name, service))?.[1] ?? [];
    const waits = (member: ServiceProcess, name: string): number =>
      logged(member, 'Dependency unavailable at start; waiting', name, before.get(member.name));
    const started = await Promise.all(former.map(({ launch }) => ServiceProcess.spawn(launch)));
    try {
      for (const { part, component } of [OUTAGES[1], OUTAGES[0], OUTAGES[2], OUTAGES[3]]) {
        const waiting = started.filter((member) => needsOf(member).includes(component));
        for (const member of waiting) {
          await says(member, component, 'waiting');
          await eventually(`${member.name} has logged that it waits`, () => waits(member, component) === 1);
        }
        await stack.resume(part);
        for (const member of waiting) await says(member, component, 'ready');
      }
      for (const member of started) await isReady(member);
      for (const member of started) {
        const seen = needsOf(member).map((name) => [name, waits(member, name)]);
        expect([member.name, seen]).toEqual([member.name, needsOf(member).map((name) => [name, 1])]);
      }
      const { actionId, done, model } = await givenAction('started');
      expect(await done).toMatchObject({ status: 'completed', processed: SIZE });
      await expectExact(actionId, 'started', model);
    } finally {
      await Promise.all(started.map((member) => member.stop()));
    }
  }, 120_000);
});
