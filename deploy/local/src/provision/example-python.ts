import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, workspaceRoot } from '../paths.ts';
import { providePythonProgram } from './python.ts';

/**
 * Provides a Python with the packages that `examples/python/requirements.txt` pins, and returns the full path of the
 * interpreter. Changed requirements result in another environment.
 *
 * @throws StackError INSTALL_FAILED, MISSING_TOOL.
 */
export function provideExamplePython(log: (line: string) => void): Promise<string> {
  const requirements = join(workspaceRoot, 'examples', 'python', 'requirements.txt');
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  return providePythonProgram(
    { cache: cacheFolder(), env: process.env, log },
    {
      folder: `example-python-${hash}`,
      announcement: "tests: installing the Python example's packages from PyPI (once)…",
      requirements: ['-r', requirements],
      program: 'python',
      remedy: 'npm run test:e2e   # once the cause is gone',
    },
  );
}
