import { StackError } from '../errors.ts';
import { installPackage } from './apt.ts';
import { findOnPath, type ProvisionContext } from './tools.ts';

/** The names of the program of a Chromium, from any source. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * Returns the full path of a Chromium: the PATH's, or Debian's, which is installed if this process may.
 *
 * @throws StackError MISSING_TOOL, INSTALL_FAILED with the command that installs it.
 */
export async function provideChromium(context: ProvisionContext): Promise<string> {
  const installed = findChromium(context);
  if (installed !== undefined) return installed;
  await installPackage(context, { what: 'chromium', packages: ['chromium'] });
  const found = findChromium(context);
  if (found !== undefined) return found;
  throw new StackError(
    'MISSING_TOOL',
    'chromium is missing',
    'sudo apt-get install -y --no-install-recommends chromium',
  );
}

function findChromium({ env }: ProvisionContext): string | undefined {
  return PROGRAMS.map((program) => findOnPath(program, env)).find((path) => path !== undefined);
}
