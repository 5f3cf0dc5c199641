import { join, relative } from 'node:path';
import { BulkClient } from '@bulk/client';
import {
  buildMongoInBackground,
  inspectStack,
  loadEnv,
  stackPaths,
  startStack,
  WHEEL_ENGINE,
  workspaceRoot,
  type Environment,
  type RunningStack,
} from '@bulk/local-stack';
import type { Releasers } from '@bulk/runtime';
import { Screen, thousands } from '../../console/screen.ts';
import { deathOf, whileAllLive } from '../../installation/deaths.ts';
import { buildServices } from '../../installation/build.ts';
import { openDatabase } from '../../installation/database.ts';
import { runUntilEnded } from '../../installation/run-until-ended.ts';
import { serviceEnvironment } from '../../installation/environment.ts';
import { ServiceGroup } from '../../processes/service-group.ts';
import { DEFAULT_ACCOUNT, DEFAULT_COUNTS, seedSampleData } from '../../operator/seed/sample-data.ts';
import { runDemoAction } from './demo-action.ts';
import { sayFarewell } from './farewell.ts';

export interface StartOptions {
  /** Whether to end after the action, instead of staying up. */
  readonly once: boolean;
  readonly signal: AbortSignal;
  readonly releasers: Releasers;
  readonly out: NodeJS.WriteStream;
}

/**
 * Runs the whole demonstration for a new user: build, stack, services, sample data, one action.
 *
 * It resolves when everything has been shown or, unless `once`, at Ctrl-C. The releasers then hold
 * what must be stopped.
 *
 * @throws whatever kept the action from ending as its file implies.
 */
export async function start({ once, signal, releasers, out }: StartOptions): Promise<void> {
  const screen = new Screen(out);
  const given = loadEnv();
  screen.line();
  screen.line(`  ${screen.styled('bold', 'Bulk Action Platform')}`);
  screen.line();
  await screen.step(
    'build',
    () => buildServices(given, signal),
    ({ cached }) => `4 services${cached > 0 ? `, ${cached} unchanged` : ''}`,
  );
  const stack = await raiseStack(screen, signal, releasers);
  const env = serviceEnvironment(given, stack.urls);
  const logs = join(stackPaths(stack.name).root, 'services');
  const services = await raiseServices(
    screen,
    env,
    logs,
    AbortSignal.any([signal, deathOf(stack)]),
    releasers,
  );
  const live = { services, stack, signal };
  await whileAllLive(live, demonstrate({ screen, env, services, logs, signal, once }));
  if (once) return;
  if ((await enginesOf(stack)).includes(WHEEL_ENGINE)) await speedUpNextStart(screen, given);
  await runUntilEnded(signal, (never) => whileAllLive(live, never));
  screen.line();
}

async function raiseStack(screen: Screen, signal: AbortSignal, releasers: Releasers): Promise<RunningStack> {
  let engines = '';
  const stack = await screen.step(
    'stack',
    async (note) => {
      const started = await startStack({ log: note, signal });
      // A stack that was up before this command keeps running.
      if (!started.attached) releasers.push('stack', () => started.stop());
      engines = await enginesOf(started);
      return started;
    },
    ({ attached }) => `${engines}${attached ? ', up already' : ''}`,
  );
  return stack;
}

async function speedUpNextStart(screen: Screen, env: Environment): Promise<void> {
  const build = await buildMongoInBackground(env);
  if (build === undefined) return;
  screen.line(
    `  A faster MongoDB replacement is being built at the lowest priority (process ${build.pid}, log ${build.log}).`,
  );
}

async function enginesOf(stack: RunningStack): Promise<string> {
  const parts = (await inspectStack(stack.name))?.health ?? [];
  return parts
    .map(({ name, state }) => (state.kind === 'managed' ? state.engine : `your own ${name}`))
    .join(' · ');
}

async function raiseServices(
  screen: Screen,
  env: Environment,
  logs: string,
  signal: AbortSignal,
  releasers: Releasers,
): Promise<ServiceGroup> {
  return screen.step(
    'services',
    async () => {
      const services = await ServiceGroup.start({
        env,
        mode: 'built',
        output: (instance) => ({ kind: 'file', path: join(logs, `${instance}.log`) }),
        signal,
      });
      releasers.push('services', () => services.stop());
      return services;
    },
    ({ members }) => `${members.map(({ name }) => name).join(' · ')} ready`,
  );
}

interface Stage {
  readonly screen: Screen;
  readonly env: Environment;
  readonly services: ServiceGroup;
  readonly logs: string;
  readonly signal: AbortSignal;
  readonly once: boolean;
}

async function demonstrate({ screen, env, services, logs, signal, once }: Stage): Promise<void> {
  const { intakeUrl, notifierUrl } = services;
  const accountId = DEFAULT_ACCOUNT;
  const client = new BulkClient({ baseUrl: intakeUrl, websocketUrl: notifierUrl, accountId });
  const database = await openDatabase('start', env);
  try {
    await screen.step(
      'seed',
      () => seedSampleData(database, { accountId, counts: DEFAULT_COUNTS, reset: false }, signal),
      ({ contacts }) =>
        `${thousands(DEFAULT_COUNTS.contacts)} contacts, ${DEFAULT_COUNTS.companies} companies, ` +
        `${thousands(DEFAULT_COUNTS.leads)} leads${contacts.inserted === 0 ? ', there already' : ''}`,
    );
    const { contacts } = DEFAULT_COUNTS;
    const action = await runDemoAction({ screen, client, database, accountId, contacts, signal });
    if (!once) {
      sayFarewell(screen, { intakeUrl, notifierUrl, accountId, action, logs: relative(workspaceRoot, logs) });
    }
  } finally {
    client.close();
    await database.close();
  }
}
