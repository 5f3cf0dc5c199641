import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BulkClient } from '@bulk/client';
import { workspaceRoot, type Environment } from '@bulk/local-stack';
import type { Database } from '@bulk/mongo';
import { ServiceGroup, type ServiceGroupOptions } from '../../processes/service-group.ts';
import { launchArguments, SERVICES } from '../../processes/services.ts';
import { TOKEN_SECRET } from './cases/token-cases.ts';
import type { Door } from './fuzz-case.ts';
import type { Ledger } from './ledger.ts';
import type { Attackable } from './round.ts';
import { StoredActions } from './stored-actions.ts';
import type { Watched } from './vitals.ts';

export interface FuzzTargetOptions {
  /** URLs of the real parts, and the names of the database and of the topics. */
  readonly env: Environment;
  readonly database: Database;
  /** Folder of the services' logs. */
  readonly logFolder: string;
  readonly signal?: AbortSignal;
}

/**
 * Short time-outs, so that what clients have left behind is gone within seconds, and limits that no
 * case reaches by number.
 */
const SETTINGS = {
  KAFKA_SESSION_TIMEOUT_MS: '6000',
  KAFKA_HEARTBEAT_INTERVAL_MS: '500',
  COMMIT_INTERVAL_MS: '100',
  MONGODB_TIMEOUT_MS: '60000',
  HEADERS_TIMEOUT_MS: '1000',
  REQUEST_TIMEOUT_MS: '1000',
  KEEP_ALIVE_TIMEOUT_MS: '2000',
  SUBSCRIBE_TIMEOUT_MS: '1000',
  HEARTBEAT_MS: '2000',
  RATE_LIMIT_MAX: '1000000',
  LOG_LEVEL: 'warn',
};

/** Makes a service collect its garbage at SIGUSR2. */
const COLLECT_GARBAGE = pathToFileURL(
  join(workspaceRoot, 'tools', 'src', 'development', 'fuzz', 'collect-garbage.mjs'),
).href;

/** The services of an installation, and a second intake and notifier that check tokens. */
export class FuzzTarget implements Attackable {
  readonly ports: Readonly<Record<Door, number>>;
  readonly watched: readonly Watched[];
  readonly ledger: Ledger;
  readonly #groups: readonly ServiceGroup[];

  private constructor(open: ServiceGroup, secured: ServiceGroup, database: Database) {
    this.#groups = [open, secured];
    this.ports = {
      intake: portOf(open.intakeUrl),
      notifier: portOf(open.notifierUrl),
      'intake.admin': open.member('intake').launch.adminPort,
      'notifier.admin': open.member('notifier').launch.adminPort,
      'intake.secured': portOf(secured.intakeUrl),
      'notifier.secured': portOf(secured.notifierUrl),
    };
    this.watched = [...watchedOf(open, ''), ...watchedOf(secured, '.secured')];
    this.ledger = new StoredActions(
      database,
      (accountId) => new BulkClient({ baseUrl: open.intakeUrl, websocketUrl: open.notifierUrl, accountId }),
    );
  }

  /** Starts the services from their production builds. If it fails, none is left. */
  static async start({ env, database, logFolder, signal }: FuzzTargetOptions): Promise<FuzzTarget> {
    const start = (
      name: string,
      more: Pick<ServiceGroupOptions, 'instances' | 'env'>,
    ): Promise<ServiceGroup> =>
      ServiceGroup.start({
        mode: 'built',
        args: Object.fromEntries(
          SERVICES.map((service) => [
            service,
            ['--expose-gc', '--import', COLLECT_GARBAGE, ...launchArguments(service, 'built')],
          ]),
        ),
        output: (instance) => ({ kind: 'file', path: join(logFolder, name, `${instance}.log`) }),
        readyTimeoutMs: 120_000,
        signal,
        ...more,
        env: { PATH: process.env['PATH'], ...env, ...SETTINGS, ...more.env },
      });
    const open = await start('open', { env: {} });
    try {
      const secured = await start('secured', {
        instances: { handler: 0, 'stats-aggregator': 0 },
        env: { AUTH_MODE: 'jwt', JWT_SECRET: TOKEN_SECRET },
      });
      return new FuzzTarget(open, secured, database);
    } catch (error) {
      await open.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#groups.map((group) => group.stop()));
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function watchedOf(group: ServiceGroup, suffix: string): Watched[] {
  return group.members.map((member) => {
    const { name, pid, launch } = member;
    const own =
      name === 'intake' ? [portOf(group.intakeUrl)] : name === 'notifier' ? [portOf(group.notifierUrl)] : [];
    return {
      name: `${name}${suffix}`,
      pid,
      adminPort: launch.adminPort,
      ports: [...own, launch.adminPort],
      isRunning: () => member.running,
      collectGarbage: () => void member.signal('SIGUSR2'),
    };
  });
}
