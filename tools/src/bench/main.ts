import { Command } from 'commander';
import { wholeNumber } from '../console/arguments.ts';
import { runCommand } from '../console/command.ts';
import { bench } from './bench.ts';

const program = new Command('bench')
  .description('one large action end to end on a stack of its own, beside the raw speed of the same writes')
  .option('--contacts <n>', 'contacts', wholeNumber(1, 1_000_000), 100_000)
  .option('--concurrency <n>', 'bulk writes at the same time', wholeNumber(1, 100), 4)
  .showHelpAfterError();

await runCommand((context) =>
  bench(program.parse().opts<{ contacts: number; concurrency: number }>(), context),
);
