import { join } from 'node:path';
import { packageRoot } from '../paths.ts';
import { providePythonProgram } from './python.ts';
import type { ProvisionContext } from './tools.ts';

const version = '4.32.5';

/**
 * Provides Schemathesis, which tests an OpenAPI document against the service that it describes. Every package that it
 * needs is pinned in `python/schemathesis.txt`, since another version of its generator would try other requests.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export function provideSchemathesis(context: ProvisionContext): Promise<string> {
  return providePythonProgram(context, {
    folder: `schemathesis-${version}`,
    announcement: `tests: installing Schemathesis ${version} from PyPI (once)…`,
    requirements: ['-r', join(packageRoot, 'python', 'schemathesis.txt')],
    program: 'schemathesis',
    remedy: 'npm run test:integration   # once the cause is gone',
  });
}
