import { Command, Option } from 'commander';
import { decimal, wholeNumber } from '../console/arguments.ts';
import { runCommand } from '../console/command.ts';
import { benchAction, type BenchOptions } from './action-bench.ts';
import { benchBrokers, type BrokersOptions } from './brokers-bench.ts';
import { benchCancel, type CancelOptions } from './cancel-bench.ts';
import { benchChanges, type ChangesOptions } from './changes-bench.ts';
import { benchCompare, type CompareOptions } from './compare-bench.ts';
import { benchFairness, type FairnessOptions } from './fairness-bench.ts';
import { benchHistory, type HistoryOptions } from './history-bench.ts';
import { benchInputs, type InputsOptions } from './inputs-bench.ts';
import { DEFAULT_STACK, type StackOption } from './installation.ts';
import { benchManySmall, type ManySmallOptions } from './many-small-bench.ts';
import { benchNoop, type NoopOptions } from './noop-bench.ts';
import { benchScale, type ScaleOptions } from './scale-bench.ts';
import { benchSimulate, type SimulateOptions } from './simulate-bench.ts';
import { PARAMETER_NAMES, PARAMETERS } from './simulate/model/parameters.ts';
import { benchSmall, type SmallOptions } from './small-bench.ts';
import { benchSubscribers, type SubscribersOptions } from './subscribers-bench.ts';
import { benchUploads } from './upload-bench.ts';

const UPLOAD_SIZES = [10_000, 100_000, 1_000_000];

/** Two benchmarks at the same time need a stack each. */
const stackOption = (): Option =>
  new Option('--stack <name>', 'stack of the benchmark, emptied first').default(DEFAULT_STACK);

const numberOption = (
  flags: string,
  description: string,
  [min, max]: [number, number],
  fallback: number,
): Option => new Option(flags, description).argParser(wholeNumber(min, max)).default(fallback);

/** Options that several benchmarks have. */
const contactsOption = (): Option => numberOption('--contacts <n>', 'contacts', [100, 1_000_000], 100_000);
const roundsOption = (): Option => numberOption('--runs <n>', 'rounds; the medians count', [1, 100], 3);
const concurrencyOption = (): Option =>
  numberOption(
    '--concurrency <n>',
    'groups of batches that handler processes at the same time',
    [1, 100],
    12,
  );
const peerConcurrencyOption = (): Option =>
  numberOption('--peer-concurrency <n>', 'jobs that the peer processes at the same time', [1, 100], 8);

const program = new Command('bench').description('figures, on a stack of its own').showHelpAfterError();

program
  .command('action', { isDefault: true })
  .description('one large action end to end, and the raw speed of the same writes')
  .option('--contacts <n>', 'contacts', wholeNumber(1, 1_000_000), 100_000)
  .option(
    '--concurrency <n>',
    'groups of handler, and raw bulk writes, at the same time',
    wholeNumber(1, 100),
    4,
  )
  .addOption(stackOption())
  .action((options: BenchOptions) => runCommand((context) => benchAction(options, context)));

program
  .command('compare')
  .description(
    'the platform and a peer (the simple design, with BullMQ) in turn: ratios, goals, cost of a batch',
  )
  .addOption(contactsOption())
  .addOption(roundsOption())
  .option('--small-runs <n>', 'actions of 100 entities per round', wholeNumber(1, 1_000), 15)
  .addOption(concurrencyOption())
  .addOption(peerConcurrencyOption())
  .addOption(stackOption())
  .action((options: CompareOptions) => runCommand((context) => benchCompare(options, context)));

program
  .command('changes')
  .description('an update that keeps nothing, names and values of its changes, in turn')
  .addOption(contactsOption())
  .addOption(roundsOption())
  .addOption(concurrencyOption())
  .addOption(stackOption())
  .action((options: ChangesOptions) => runCommand((context) => benchChanges(options, context)));

program
  .command('noop')
  .description('an action that writes nothing: what the platform itself costs per batch, and the peer')
  .addOption(contactsOption())
  .option('--batch-size <n>', 'entities of a batch', wholeNumber(1, 1_000), 100)
  .addOption(roundsOption())
  .addOption(concurrencyOption())
  .addOption(peerConcurrencyOption())
  .addOption(stackOption())
  .action((options: NoopOptions) => runCommand((context) => benchNoop(options, context)));

program
  .command('small')
  .description('100 entities alone, stage by stage')
  .option('--runs <n>', 'actions, one after the other', wholeNumber(1, 10_000), 50)
  .addOption(concurrencyOption())
  .addOption(stackOption())
  .action((options: SmallOptions) => runCommand((context) => benchSmall(options, context)));

program
  .command('many-small')
  .description('many actions of 100 entities of many accounts at once, against one large action')
  .option('--actions <n>', 'small actions', wholeNumber(1, 100_000), 1_000)
  .option('--accounts <n>', 'accounts that share them', wholeNumber(1, 1_000), 50)
  .option('--requests <n>', 'requests at the same time', wholeNumber(1, 1_000), 50)
  .addOption(roundsOption())
  .addOption(concurrencyOption())
  .addOption(stackOption())
  .action((options: ManySmallOptions) => runCommand((context) => benchManySmall(options, context)));

program
  .command('subscribers')
  .description('many WebSocket subscribers of one notifier: when the last one sees the end, frames, memory')
  .option('--connections <n>', 'subscribers', wholeNumber(1, 1_000_000), 10_000)
  .option('--processes <n>', 'processes that the subscribers are spread over', wholeNumber(1, 64), 2)
  .option('--batches <n>', 'batches of the action that they follow', wholeNumber(1, 10_000), 200)
  .addOption(stackOption())
  .action((options: SubscribersOptions) => runCommand((context) => benchSubscribers(options, context)));

program
  .command('scale')
  .description('1, 2 and 4 handlers with an action type that waits, as a call of another system would')
  .option('--wait-ms <n>', 'time that each batch takes', wholeNumber(1, 60_000), 200)
  .option('--partitions <n>', 'partitions of a lane', wholeNumber(1, 1_000), 12)
  .option('--batches <n>', 'batches per handler', wholeNumber(12, 100_000), 120)
  .addOption(stackOption())
  .action((options: ScaleOptions) => runCommand((context) => benchScale(options, context)));

program
  .command('uploads')
  .description("streamed uploads of several sizes: time, and intake's peak memory")
  .option('--largest <n>', 'entities of the largest one', wholeNumber(1, 10_000_000), 1_000_000)
  .addOption(stackOption())
  .action(({ largest, stack }: { largest: number } & StackOption) =>
    runCommand((context) =>
      benchUploads({ stack, sizes: UPLOAD_SIZES.filter((size) => size < largest).concat(largest) }, context),
    ),
  );

program
  .command('fairness')
  .description('a small action alone, and while a large one runs in its lane and in the lane below')
  .option('--small <n>', 'entities of the small action', wholeNumber(1, 10_000), 100)
  .option('--large <n>', 'entities of the large action', wholeNumber(1_000, 10_000_000), 1_000_000)
  .option('--runs <n>', 'small actions per situation', wholeNumber(1, 1_000), 15)
  .option('--intakes <n>', 'instances of intake; small actions go to the last one', wholeNumber(1, 10), 1)
  .addOption(concurrencyOption())
  .addOption(stackOption())
  .action((options: FairnessOptions) => runCommand((context) => benchFairness(options, context)));

program
  .command('brokers')
  .description('messages that are confirmed and found while the brokers of a cluster are restarted in turn')
  .option('--restarts <n>', 'restarts of a broker', wholeNumber(1, 10_000), 20)
  .action((options: BrokersOptions) => runCommand((context) => benchBrokers(options, context)));

program
  .command('history')
  .description(
    "the dispatcher's look and claim, a clean-up, a list page and a filtered log page, without and with a history",
  )
  .option('--scheduled <n>', 'actions that are scheduled for later', wholeNumber(0, 10_000_000), 100_000)
  .option('--ended <n>', 'ended actions, each with a log', wholeNumber(0, 10_000_000), 100_000)
  .option('--paused <n>', 'paused actions', wholeNumber(0, 10_000_000), 10_000)
  .option('--accounts <n>', 'accounts that the history is spread over', wholeNumber(1, 1_000_000), 1_000)
  .option('--own', 'give the history to the account whose list is measured', false)
  .option('--runs <n>', 'measurements of each kind of work', wholeNumber(1, 1_000), 25)
  .addOption(stackOption())
  .action((options: HistoryOptions) => runCommand((context) => benchHistory(options, context)));

program
  .command('cancel')
  .description('a large action that is cancelled: seconds until it has ended')
  .option('--entities <n>', 'entities of the action', wholeNumber(1_000, 10_000_000), 1_000_000)
  .option('--percent <n>', 'of them done when it is cancelled', wholeNumber(0, 99), 5)
  .addOption(stackOption())
  .action((options: CancelOptions) => runCommand((context) => benchCancel(options, context)));

program
  .command('inputs')
  .description(
    "a large upload under the worst inputs, twenty at once: /livez, event loop and intake's memory",
  )
  .option('--rows <n>', 'rows of the upload', wholeNumber(1_000, 10_000_000), 1_000_000)
  .addOption(stackOption())
  .action((options: InputsOptions) => runCommand((context) => benchInputs(options, context)));

const simulateCommand = program
  .command('simulate')
  .description('a cluster in virtual time, around the real dispatcher: throughput and what bounds it')
  .addOption(numberOption('--seed <n>', 'seed of the random numbers', [0, 4_294_967_295], 1))
  .addOption(numberOption('--records <n>', 'entities of the large action', [10_000, 10_000_000], 200_000))
  .option('--no-sweep', 'leave out the changes of single parameters')
  .action((options: SimulateOptions) => runCommand((context) => benchSimulate(options, context)));
for (const name of PARAMETER_NAMES) {
  const { cluster, what, source } = PARAMETERS[name];
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  simulateCommand.addOption(
    new Option(`--${flag} <n>`, `${what} (${source})`).argParser(decimal(0, 1_000_000)).default(cluster),
  );
}

await program.parseAsync();
