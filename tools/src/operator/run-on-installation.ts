import type { Environment } from '@bulk/local-stack';
import type { Database } from '@bulk/mongo';
import { runCommand, type CommandContext } from '../console/command.ts';
import { openDatabase } from '../installation/database.ts';
import { environmentHere, runningEnvironment, type PartVariable } from '../installation/running.ts';

/** The context of an operator's command: the installation on which it works. */
export interface OnInstallation extends CommandContext {
  /** The settings of the installation. The variables that the command needs are present. */
  readonly env: Environment;
  readonly database: Database;
}

/**
 * Runs a command on the running installation, connected to its MongoDB.
 *
 * @param name shown in the logs of MongoDB.
 * @param needed variables that must be known. @default all except that of Redis
 */
export function runOnInstallation(
  name: string,
  work: (context: OnInstallation) => Promise<void>,
  needed?: readonly PartVariable[],
): Promise<void> {
  return runCommand(async (context) => {
    const env = await runningEnvironment(await environmentHere(), needed);
    const database = await openDatabase(name, env);
    context.releasers.push('database', () => database.close());
    await work({ ...context, env, database });
  });
}
