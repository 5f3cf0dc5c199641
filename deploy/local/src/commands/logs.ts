import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { StackError } from '../errors.ts';
import { stackPaths } from '../paths.ts';
import { processNames } from '../state.ts';

/** Shows the last hundred lines of one part's log, or the last twenty of each. */
export function showLogs(name: string, part: string | undefined): Promise<void> {
  return tail(['-n', part === undefined ? '20' : '100'], name, part);
}

/** Shows the last lines and continues as the logs grow, until Ctrl-C. */
export function follow(name: string, part: string | undefined): Promise<void> {
  return tail(['-F', '-n', '20'], name, part);
}

async function tail(flags: readonly string[], name: string, part: string | undefined): Promise<void> {
  const paths = stackPaths(name);
  const files = (part === undefined ? [...processNames, 'supervisor'] : [part])
    .map(paths.log)
    .filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new StackError(
      'NOT_UP',
      `stack ${name} has no log of ${part ?? 'any part'} yet`,
      `npm run stack -- up --name ${name}`,
    );
  }
  await new Promise<void>((resolve, reject) => {
    const child = spawn('tail', [...flags, ...files], { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
}
