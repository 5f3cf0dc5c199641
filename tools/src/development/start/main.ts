import { Command } from 'commander';
import { runCommand } from '../../console/command.ts';
import { start } from './start.ts';

const program = new Command('start')
  .description('everything on this machine: stack, services, sample data, one action of 10,000 contacts')
  .option('--once', 'end after the action', false)
  .showHelpAfterError();

await runCommand(({ signal, releasers }) =>
  start({ ...program.parse().opts<{ once: boolean }>(), signal, releasers, out: process.stdout }),
);
