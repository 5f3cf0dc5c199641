import { actionIdSchema, CodedError } from '@bulk/domain';
import { reconcile, repair, type Database } from '@bulk/mongo';
import { Argument, Command } from 'commander';
import { argument } from '../../console/arguments.ts';
import { runOnInstallation } from '../run-on-installation.ts';
import { actionIds } from './action-ids.ts';
import { faultsOf } from './report.ts';

interface Options {
  readonly all: boolean;
  readonly running: boolean;
  readonly repair: boolean;
  readonly json: boolean;
}

/** Creates the command that compares counts with logs. */
export function reconcileCommand(): Command {
  const program = new Command('reconcile')
    .description(
      "recomputes actions' counts from their logs and reports where they differ; exit code 1 when any do",
    )
    .addArgument(new Argument('[actionId]', 'one action').argParser(argument(actionIdSchema)))
    .option('--all', 'all actions that have ended', false)
    .option('--running', 'with --all: also actions that have not ended', false)
    .option('--repair', 'set counts, codes and status to what the logs say; logs are never touched', false)
    .option('--json', 'a line of JSON for each action', false);
  return program.action((actionId: string | undefined, options: Options) => {
    if ((actionId === undefined) !== options.all) program.error('name one action, or say --all');
    return runOnInstallation(
      'reconcile',
      ({ database, signal }) => reconcileActions(database, actionId, options, signal),
      ['MONGODB_URI'],
    );
  });
}

async function reconcileActions(
  database: Database,
  actionId: string | undefined,
  options: Options,
  signal: AbortSignal,
): Promise<void> {
  let checked = 0;
  let wrong = 0;
  for await (const id of actionId === undefined ? actionIds(database, options.running) : [actionId]) {
    signal.throwIfAborted();
    const found = await (options.repair ? repair(database, id, new Date()) : reconcile(database, id));
    if (found === undefined) {
      if (actionId === undefined) continue;
      throw new CodedError('ACTION_NOT_FOUND', `there is no action ${id}`);
    }
    checked += 1;
    const faults = faultsOf(found);
    const repaired = options.repair && found.drift.length > 0;
    if (faults.length > 0) wrong += 1;
    if (options.json) console.log(JSON.stringify({ ...found, faults, repaired }));
    else {
      // Drift comes first. No repair fixes what is missing in the logs.
      for (const [i, fault] of faults.entries())
        console.log(`${id}  ${fault}${repaired && i < found.drift.length ? '  (set to the logs)' : ''}`);
    }
  }
  if (!options.json) console.log(`${checked} actions checked, ${wrong} with faults`);
  if (wrong > 0)
    throw new CodedError('DRIFT', `${wrong} of ${checked} actions have counts that differ from their logs`);
}
