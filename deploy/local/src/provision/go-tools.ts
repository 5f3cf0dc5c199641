import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { packageRoot } from '../paths.ts';
import { provideFolder } from './artifacts.ts';
import { provideGo } from './go.ts';
import { type ProvisionContext, run, tail } from './tools.ts';

/** Holds go.mod with the versions of the tools, and go.sum with the checksums of all that they are built from. */
const MODULE = join(packageRoot, 'go');
const BUILD_MS = 900_000;

/** Programs that are Go modules. */
export interface GoTools {
  /** Checks workflows of GitHub Actions. */
  readonly actionlint: string;
  /** Loads a Compose file as Docker Compose does, checks it against the specification, and prints it. */
  readonly composeSpec: string;
}

/**
 * Provides the tools of the module `go`, built once for each version of its go.sum. Go is fetched if it is missing.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export async function provideGoTools(context: ProvisionContext): Promise<GoTools> {
  const sums = createHash('sha256')
    .update(readFileSync(join(MODULE, 'go.sum')))
    .digest('hex');
  const folder = await provideFolder(context, {
    name: `go-tools-${sums.slice(0, 12)}`,
    fill: async (draft) => {
      const go = await provideGo(context);
      context.log('tests: building actionlint and compose-spec with Go (once)…');
      const { code, output } = await run(go, ['build', '-trimpath', '-o', draft, 'tool'], {
        ...context,
        cwd: MODULE,
        // go.sum decides what is built.
        env: { ...context.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' },
        timeoutMs: BUILD_MS,
      });
      if (code !== 0) {
        const remedy = 'npm run test:integration   # once the cause is gone';
        throw new StackError('INSTALL_FAILED', `go build of the tools failed:\n${tail(output)}`, remedy);
      }
      // Go names a program after the last folder of its path.
      renameSync(join(draft, 'cmd'), join(draft, 'compose-spec'));
    },
  });
  return { actionlint: join(folder, 'actionlint'), composeSpec: join(folder, 'compose-spec') };
}
