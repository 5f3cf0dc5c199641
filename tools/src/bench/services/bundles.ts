import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workspaceRoot } from '@bulk/local-stack';
import { build, type Plugin } from 'esbuild';
import { SERVICES, type ServiceName } from '../../processes/services.ts';

const here = dirname(fileURLToPath(import.meta.url));
const ACTION_TYPES = join(here, 'action-types.ts');
const COUNTER = join(here, '..', 'measure', 'request-counter.ts');
const PEER = join(here, '..', 'peer', 'main.ts');
const SERVICE_SOURCES = join(workspaceRoot, 'services');

/** The services whose action types the bundle replaces. The others know only entity types. */
const EXTENDED: readonly ServiceName[] = ['intake', 'handler'];

/** Programs that are built like production's, for a benchmark only. */
export interface Bundles {
  /** Arguments to Node by service. They have the action type `noop` and count Kafka requests. */
  readonly services: Readonly<Record<ServiceName, readonly string[]>>;
  /** Arguments to Node for a process of the peer. */
  readonly peer: readonly string[];
}

/** Builds all programs into a folder within the workspace, from which they find their packages. */
export async function buildBundles(folder: string): Promise<Bundles> {
  const path = (name: string): string => join(folder, `${name}.mjs`);
  await Promise.all([
    bundle(COUNTER, path('request-counter')),
    bundle(PEER, path('peer')),
    ...SERVICES.map((name) => bundleService(name, path(name))),
  ]);
  const run = (name: string): string[] => [
    '--enable-source-maps',
    '--import',
    path('request-counter'),
    path(name),
  ];
  return {
    services: {
      intake: run('intake'),
      handler: run('handler'),
      'stats-aggregator': run('stats-aggregator'),
      notifier: run('notifier'),
    },
    peer: ['--enable-source-maps', path('peer')],
  };
}

async function bundleService(name: ServiceName, outfile: string): Promise<void> {
  const extended: string[] = [];
  await bundle(join(SERVICE_SOURCES, name, 'src', 'main.ts'), outfile, extended);
  // A move of the catalog would silently remove the action types.
  if (EXTENDED.includes(name) && extended.length === 0)
    throw new Error(
      `${name} does not import @bulk/action-types, so it gets no action types of the benchmark`,
    );
}

/** @param extended gets the files whose import of @bulk/action-types was replaced. */
async function bundle(entry: string, outfile: string, extended: string[] = []): Promise<void> {
  await build({
    absWorkingDir: workspaceRoot,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
    packages: 'external',
    plugins: [workspaces(extended)],
  });
}

/** Puts the workspaces into the bundle. A service gets the benchmark's action types in addition to its own. */
function workspaces(extended: string[]): Plugin {
  return {
    name: 'workspaces',
    setup(plugins) {
      plugins.onResolve({ filter: /^@bulk\// }, ({ path, importer, resolveDir }) => {
        if (path === '@bulk/action-types' && importer.startsWith(SERVICE_SOURCES)) {
          extended.push(importer);
          return { path: ACTION_TYPES };
        }
        return { path: createRequire(join(resolveDir, 'importer.js')).resolve(path) };
      });
    },
  };
}
