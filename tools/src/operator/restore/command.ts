import { CodedError } from '@bulk/domain';
import { kafkaConfigSchema } from '@bulk/kafka';
import { loadConfig } from '@bulk/runtime';
import { Command } from 'commander';
import { runOnInstallation } from '../run-on-installation.ts';
import { checkRestore } from './check.ts';

/** Creates the command that checks a restored installation before its services start. */
export function restoreCheckCommand(): Command {
  return new Command('restore-check')
    .description('checks a restored MongoDB before the services start; exit code 1 if something is wrong')
    .option('--reset-groups', 'set the consumer groups back to the first messages that Kafka holds', false)
    .action(({ resetGroups }: { readonly resetGroups: boolean }) =>
      runOnInstallation('ops', async ({ env, database, signal }) => {
        const config = loadConfig(kafkaConfigSchema, env);
        const { actions, unfinished, faults, reset } = await checkRestore(
          database,
          config,
          resetGroups,
          signal,
        );
        for (const fault of faults) console.log(fault);
        console.log(`${actions} actions, ${unfinished} of them not ended, ${faults.length} faults`);
        if (reset.length > 0) console.log(`set back to the beginning: ${reset.join(', ')}`);
        if (faults.length > 0) throw new CodedError('NOT_RESTORED', 'the services must not start yet');
      }),
    );
}
