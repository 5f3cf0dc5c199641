import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DescribedInstrument, IdentityConfig, Metrics, Readiness } from '@bulk/runtime/telemetry';
import { z } from 'zod';

type CreateMetrics = (identity: IdentityConfig, readiness: Readiness) => { readonly metrics: Metrics };

const moduleSchema = z.record(z.string(), z.unknown());
const isCreator = (value: unknown): value is CreateMetrics => typeof value === 'function';

/**
 * The instruments that a service declares, and every name that it exposes.
 *
 * The names include those of prom-client for the process.
 */
export interface ServiceInstruments {
  readonly service: string;
  readonly declared: readonly DescribedInstrument[];
  /** Name → type. */
  readonly exposed: ReadonlyMap<string, string>;
}

/**
 * Loads the instruments of each service, as its `src/metrics.ts` declares them.
 *
 * @throws Error if a file declares none.
 */
export async function declaredInstruments(workspaceRoot: string): Promise<ServiceInstruments[]> {
  const services = join(workspaceRoot, 'services');
  const files = readdirSync(services)
    .sort()
    .map((service) => ({ service, file: join(services, service, 'src', 'metrics.ts') }))
    .filter(({ file }) => existsSync(file));
  const found: ServiceInstruments[] = [];
  // One after the other, so that shared imports are loaded once.
  for (const { service, file } of files) {
    const { metrics } = (await creatorOf(file))(NO_IDENTITY, NOT_READY);
    found.push({ service, declared: metrics.described, exposed: typesIn(await metrics.expose()) });
  }
  return found;
}

/**
 * Returns the one function that a `metrics.ts` exports under a name of the form `create…Metrics`.
 */
async function creatorOf(file: string): Promise<CreateMetrics> {
  // Imports the functions by path: a service exports nothing to other packages, and this tool reads
  // its code.
  const exported = moduleSchema.parse({ ...(await import(pathToFileURL(file).href)) });
  const [creator, ...others] = Object.entries(exported).flatMap(([name, value]) =>
    /^create\w+Metrics$/.test(name) && isCreator(value) ? [value] : [],
  );
  if (creator === undefined || others.length > 0)
    throw new Error(`${file}: expected one exported function named create…Metrics`);
  return creator;
}

function typesIn(exposition: string): Map<string, string> {
  return new Map(
    [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );
}

const NO_IDENTITY: IdentityConfig = {
  BUILD_VERSION: 'dev',
  BUILD_REVISION: 'unknown',
  TOPIC_PREFIX: 'bulk.',
};
const NOT_READY: Readiness = { ready: false, report: () => ({ components: {} }) };
