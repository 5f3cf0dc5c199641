import { actionIdSchema, CodedError } from '@bulk/domain';
import { loadEnv } from '@bulk/local-stack';
import { reconcile, repair } from '@bulk/mongo';
import { Argument, Command } from 'commander';
import { argument } from '../../console/arguments.ts';
import { runCommand } from '../../console/command.ts';
import { openDatabase } from '../../installation/database.ts';
import { actionIds } from './action-ids.ts';
import { faultsOf } from './report.ts';

const program = new Command('reconcile')
  .description(
    "recomputes actions' counts from their logs and reports where they differ; exit code 1 when any do",
  )
  .addArgument(new Argument('[actionId]', 'one action').argParser(argument(actionIdSchema)))
  .option('--all', 'all actions that have ended', false)
  .option('--running', 'with --all: also actions that have not ended', false)
  .option('--repair', 'set counts, codes and status to what the logs say; logs are never touched', false)
  .option('--json', 'a line of JSON for each action', false)
  .showHelpAfterError();

await runCommand(async ({ signal, releasers }) => {
  program.parse();
  const [actionId] = program.processedArgs as [string | undefined];
  const options = program.opts<{ all: boolean; running: boolean; repair: boolean; json: boolean }>();
  if ((actionId === undefined) !== options.all) program.error('name one action, or say --all');
  const database = await openDatabase('reconcile', loadEnv());
  releasers.push('mongodb', () => database.close());
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
});
