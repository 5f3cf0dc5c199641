import { copyFileSync, chmodSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { StackError } from '../errors.ts';
import { provideFolder } from './artifacts.ts';
import { provideGo } from './go.ts';
import { type ProvisionContext, run, tail } from './tools.ts';

/** A Go module that carries the definitions of custom resources. */
interface DefinitionsModule {
  readonly module: string;
  readonly version: string;
  /** Go's checksum of the module. */
  readonly sum: string;
  readonly files: readonly string[];
}

const MODULES: readonly DefinitionsModule[] = [
  {
    module: 'github.com/kedacore/keda/v2',
    version: 'v2.18.3',
    sum: 'h1:PY3o80tzBAzCffS8J6eBZctT4B+g/r26zErNSMleC50=',
    files: [
      'config/crd/bases/keda.sh_scaledobjects.yaml',
      'config/crd/bases/keda.sh_triggerauthentications.yaml',
    ],
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.92.1',
    sum: 'h1:rHWuFo6SVya4FBSCNg2DCzyc4xAv54zk3eDTzp5mQZc=',
    files: [
      'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
      'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
    ],
  },
  {
    module: 'sigs.k8s.io/gateway-api',
    version: 'v1.4.1',
    sum: 'h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=',
    files: ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  },
];

const FOLDER = `custom-resources-${MODULES.map(({ version }) => version.slice(1)).join('-')}`;
/** The three modules are a few megabytes. */
const DOWNLOAD_MS = 300_000;

const downloadSchema = z.object({ Dir: z.string(), Sum: z.string() });

/**
 * Provides a folder with the definitions (CustomResourceDefinition, YAML) of the kinds of KEDA, the Prometheus Operator
 * and the Gateway API that the manifests use.
 *
 * @throws StackError DOWNLOAD_FAILED, CHECKSUM_MISMATCH, INSTALL_FAILED, MISSING_TOOL.
 */
export function provideCustomResources(context: ProvisionContext): Promise<string> {
  return provideFolder(context, {
    name: FOLDER,
    fill: async (draft) => {
      const go = await provideGo(context);
      context.log('tests: fetching the definitions of custom resources (once)…');
      for (const each of MODULES) await copyDefinitions(context, go, each, draft);
    },
  });
}

async function copyDefinitions(
  context: ProvisionContext,
  go: string,
  { module, version, sum, files }: DefinitionsModule,
  draft: string,
): Promise<void> {
  const remedy = 'npm run test:integration   # once the cause is gone';
  let answer = '';
  const { code, output } = await run(go, ['mod', 'download', '-json', `${module}@${version}`], {
    ...context,
    cwd: draft,
    // The checksum above is the one that counts.
    env: { ...context.env, GOFLAGS: '-mod=mod', GOSUMDB: 'off', GOTOOLCHAIN: 'local' },
    timeoutMs: DOWNLOAD_MS,
    onOutput: (text) => (answer += text),
  });
  if (code !== 0) {
    throw new StackError('DOWNLOAD_FAILED', `go mod download of ${module} failed:\n${tail(output)}`, remedy);
  }
  const found = downloadSchema.parse(JSON.parse(answer));
  if (found.Sum !== sum) {
    throw new StackError('CHECKSUM_MISMATCH', `${module}@${version} is ${found.Sum}, not ${sum}`, remedy);
  }
  for (const file of files) {
    const copy = join(draft, basename(file));
    copyFileSync(join(found.Dir, file), copy);
    // Go's cache is read-only.
    chmodSync(copy, 0o644);
  }
}
