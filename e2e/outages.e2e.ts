import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OWN_PARTS, resetStack, startStack, type RunningStack } from '@bulk/local-stack';
import { UNFINISHED_STATUSES } from '@bulk/domain';
import { checkAccounting, eventually, type ModelEntity, type ModelResult } from '@bulk/testing';
import { ServiceProcess } from '@bulk/tools';
import { InstallationUnderTest, scenario, modelOf } from './installation-under-test.ts';
import { FAILURES, LoadBalancer } from './load-balancer.ts';
import { isSuccess, KINDS, Traffic } from './traffic.ts';

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
    { intake: 2, handler: 2, 'stats-aggregator': 2 },
    {},
    {
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
      SCHEMA_REGISTRY_URL: stack.urls.schemaRegistryUrl,
      MONGODB_URI: stack.urls.mongodbUri,
      REDIS_URL: stack.urls.redisUrl,
      READINESS_PROBE_INTERVAL_MS: '200',
      READINESS_PROBE_TIMEOUT_MS: '3000',
    },
    { intake: { MONGODB_TIMEOUT_MS: '5000' } },
  );
}, 180_000);
afterAll(async () => {
  await system.dispose();
  await stack.stop();
  await resetStack(STACK);
}, 120_000);

interface HealthReport {
  readonly ready: boolean;
  readonly healthy: boolean;
  readonly components: Readonly<Record<string, { readonly state: string } | undefined>>;
}

async function reportOf({ launch }: ServiceProcess): Promise<HealthReport> {
  const response = await fetch(`http://127.0.0.1:${launch.adminPort}/healthz`);
  const report = (await response.json()) as HealthReport;
  expect(response.status).toBe(report.healthy ? 200 : 503);
  return report;
}

/** Returns the status of `/readyz`. */
async function readiness({ launch }: ServiceProcess): Promise<number> {
  return (await fetch(`http://127.0.0.1:${launch.adminPort}/readyz`)).status;
}

const says = (service: ServiceProcess, component: string, state: string): Promise<unknown> =>
  eventually(
    `${service.name}: ${component} is ${state}`,
    async () => (await reportOf(service)).components[component]?.state === state,
  );

const isHealthy = (service: ServiceProcess): Promise<unknown> =>
  eventually(`${service.name} is healthy`, async () => (await reportOf(service)).healthy);

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

/** The killed part, its name on `/healthz`, and the services that always need it. */
const OUTAGES = [
  { part: 'redis', component: 'redis', needs: ['handler'] },
  { part: 'mongo', component: 'mongodb', needs: ['intake', 'handler', 'stats-aggregator', 'notifier'] },
  { part: 'kafka', component: 'kafka', needs: ['intake', 'handler', 'stats-aggregator', 'notifier'] },
  // Running services have all the schemas that they need.
  { part: 'registry', component: 'schema registry', needs: [] },
] as const;

async function givenAction(
  mark: string,
): Promise<{ actionId: string; done: Promise<unknown>; model: ModelResult<ModelEntity> }> {
  const { before, entities } = scenario(SIZE, mark);
  await system.givenContacts(before);
  const client = system.client();
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
  const done = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
  done.catch(() => undefined);
  return { actionId, done, model: modelOf({ before, entities }) };
}

describe('a dependency killed and restarted in the middle of an action', () => {
  it.each(OUTAGES)(
    'restarts no service, is reported, and the action completes exactly ($part)',
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
      for (const member of affected) {
        await says(member, component, 'waiting');
        // Callers reach intake and notifier through a load balancer that follows readiness.
        const stays = ['intake', 'notifier'].some((service) => isInstanceOf(member.name, service));
        expect([member.name, await readiness(member)]).toEqual([member.name, stays ? 200 : 503]);
      }
      await stack.resume(part);
      for (const member of members) await isHealthy(member);
      expect(await done).toMatchObject({ status: 'completed', processed: SIZE });
      await system.expectOutcome(actionId, part, model);
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

describe('two intakes behind a load balancer that follows /readyz', () => {
  /** Number of answers to each kind of request after which an outage has lasted long enough. */
  const ENOUGH = 10;

  it('answer every request in the envelope while Kafka and then MongoDB are killed', async () => {
    const intakes = system.services.members.filter(({ name }) => isInstanceOf(name, 'intake'));
    const balancer = await LoadBalancer.start(
      intakes.map(({ name, launch: { adminPort } }) => ({ url: system.services.urlOf(name), adminPort })),
    );
    const traffic = new Traffic(balancer.url, 'behind', 5);
    const enough = (phase: string): Promise<unknown> => {
      // So often that the load balancer had left out an endpoint that is not ready.
      const probes = balancer.probes + 3 * FAILURES * intakes.length;
      return eventually(
        `enough is answered: ${phase}`,
        () => balancer.probes > probes && KINDS.every((kind) => traffic.in(phase, kind).length >= ENOUGH),
        { timeoutMs: 60_000 },
      );
    };
    const during = async (part: 'kafka' | 'mongo', component: string): Promise<void> => {
      await stack.halt(part, 'SIGKILL');
      for (const intake of intakes) await says(intake, component, 'waiting');
      traffic.enter(part);
      await enough(part);
      expect(balancer.size).toBe(intakes.length);
    };
    const recover = async (part: 'kafka' | 'mongo'): Promise<void> => {
      await stack.resume(part);
      for (const member of system.services.members) await isHealthy(member);
    };
    try {
      await enough('before');
      await during('kafka', 'kafka');
      await recover('kafka');
      traffic.enter('between');
      await during('mongo', 'mongodb');
      traffic.enter('recovery');
      await recover('mongo');
      traffic.enter('end');
      await enough('end');
    } finally {
      await traffic.stop();
      await balancer.close();
    }
    expect(traffic.answers.filter(({ code }) => code === 'bare')).toEqual([]);
    for (const phase of ['before', 'kafka', 'end'])
      expect([phase, traffic.in(phase).filter((answer) => !isSuccess(answer))]).toEqual([phase, []]);
    expect(traffic.in('mongo').filter(isSuccess)).toEqual([]);
    for (const answer of traffic.answers.filter((each) => !isSuccess(each)))
      expect(answer).toMatchObject({ status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfter: '5' });
    const accepted = traffic.answers.flatMap(({ actionId }) => (actionId === undefined ? [] : [actionId]));
    await eventually(
      'no action is unfinished',
      async () => {
        const unfinished = { accountId: 'behind', status: { $in: [...UNFINISHED_STATUSES] } };
        return (await system.database.actions.countDocuments(unfinished)) === 0;
      },
      { timeoutMs: 60_000 },
    );
    for (const actionId of accepted)
      expect([actionId, (await checkAccounting(system.database, actionId)).breaches]).toEqual([actionId, []]);
  }, 180_000);
});

describe('services started before their dependencies', () => {
  /** In the order in which a service waits for them. */
  const NEEDS: Readonly<Record<string, readonly string[]>> = {
    intake: ['mongodb', 'kafka', 'schema registry'],
    handler: ['mongodb', 'redis', 'kafka', 'schema registry'],
    'stats-aggregator': ['mongodb', 'kafka', 'schema registry'],
    notifier: ['mongodb', 'kafka', 'schema registry'],
  };

  it('report what they wait for, once in the log and on /healthz, and continue by themselves', async () => {
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
          expect([member.name, await readiness(member)]).toEqual([member.name, 503]);
          await eventually(`${member.name} has logged that it waits`, () => waits(member, component) === 1);
        }
        await stack.resume(part);
        for (const member of waiting) await says(member, component, 'ready');
      }
      for (const member of started) await isHealthy(member);
      for (const member of started) {
        const seen = needsOf(member).map((name) => [name, waits(member, name)]);
        expect([member.name, seen]).toEqual([member.name, needsOf(member).map((name) => [name, 1])]);
      }
      const { actionId, done, model } = await givenAction('started');
      expect(await done).toMatchObject({ status: 'completed', processed: SIZE });
      await system.expectOutcome(actionId, 'started', model);
    } finally {
      await Promise.all(started.map((member) => member.stop()));
    }
  }, 120_000);
});
