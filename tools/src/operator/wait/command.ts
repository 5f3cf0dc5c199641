import { delay } from '@bulk/runtime';
import { Command } from 'commander';
import { wholeNumber } from '../../console/arguments.ts';
import { runCommand } from '../../console/command.ts';

const DEFAULT_MINUTES = 240;
/** The longest that the command waits. The CronJob `ops` ends its jobs later. */
export const MAX_MINUTES = 1_440;
const MINUTE_MS = 60_000;

/** Creates the command that keeps a container running, so that an operator can run others in it. */
export function waitCommand(): Command {
  return new Command('wait')
    .description('does nothing for a while, so that the other commands can be run in this container')
    .option('--minutes <n>', 'how long', wholeNumber(1, MAX_MINUTES), DEFAULT_MINUTES)
    .action(({ minutes }: { readonly minutes: number }) =>
      runCommand(async ({ signal }) => {
        console.log(`waits for ${minutes} minutes`);
        await delay(minutes * MINUTE_MS, signal);
      }),
    );
}
