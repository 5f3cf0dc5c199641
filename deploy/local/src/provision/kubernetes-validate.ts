import { join } from 'node:path';
import { packageRoot } from '../paths.ts';
import { providePythonProgram } from './python.ts';
import type { ProvisionContext } from './tools.ts';

const version = '1.37.0';

/**
 * Provides kubernetes-validate, which checks manifests against the schemas of Kubernetes 1.37 that it contains.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export function provideKubernetesValidate(context: ProvisionContext): Promise<string> {
  return providePythonProgram(context, {
    folder: `kubernetes-validate-${version}`,
    announcement: `tests: installing kubernetes-validate ${version} from PyPI (once)…`,
    requirements: ['-r', join(packageRoot, 'python', 'kubernetes-validate.txt')],
    program: 'kubernetes-validate',
    remedy: 'npm run test:integration   # once the cause is gone',
  });
}
