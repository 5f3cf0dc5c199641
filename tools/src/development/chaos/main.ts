import { randomInt } from 'node:crypto';
import { CodedError } from '@bulk/domain';
import { loadEnv, MAX_BROKERS } from '@bulk/local-stack';
import { Command } from 'commander';
import { wholeNumber } from '../../console/arguments.ts';
import { runCommand, type CommandContext } from '../../console/command.ts';
import { Screen, thousands } from '../../console/screen.ts';
import { buildServices } from '../../installation/build.ts';
import { runRound } from './round.ts';
import { ChaosTarget } from './target.ts';

interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly brokers: number;
}

const SIZE = { chains: 4, length: 3, positions: 1_500 };
const FAULTS = 8;
/** Maximum number of printed differences. There may be as many as entities. */
const SHOWN = 20;

/** Thrown when the result differs from the model. */
class ChaosError extends CodedError {
  constructor(text: string, differences: readonly string[]) {
    const more = differences.length > SHOWN ? `\n… and ${differences.length - SHOWN} more` : '';
    super(
      'NOT_AS_THE_MODEL_SAYS',
      `round ${text}: ${differences.length} differences\n${differences.slice(0, SHOWN).join('\n')}${more}`,
    );
  }
}

async function chaos({ seed, minutes, brokers }: ChaosOptions, context: CommandContext): Promise<void> {
  const { signal, releasers } = context;
  const screen = new Screen(process.stdout);
  screen.labelled('seed', String(seed));
  await screen.step(
    'build',
    () => buildServices(loadEnv(), signal),
    () => '4 services',
  );
  const target = await screen.step(
    'target',
    async (log) => {
      const started = await ChaosTarget.start({
        name: 'chaos',
        brokers,
        instances: { intake: 2, handler: 2, 'stats-aggregator': 2, notifier: 2 },
        log,
        signal,
      });
      releasers.push('target', () => started.close());
      return started;
    },
    () => 'up, empty',
  );
  const until = performance.now() + minutes * 60_000;
  const sum = { rounds: 0, actions: 0, positions: 0, faults: 0, postponed: 0 };
  do {
    const text = `${seed}-${sum.rounds}`;
    const report = await screen.step(
      `round ${sum.rounds}`,
      (note) => runRound({ target, text, size: SIZE, faults: FAULTS, signal, note }),
      (done) =>
        `${done.actions} actions of ${thousands(done.positions)} positions, ${done.faults.length} faults, ` +
        `${thousands(done.postponed)} batches through retry topics, ${done.differences.length} differences`,
    );
    if (report.differences.length > 0) throw new ChaosError(text, report.differences);
    sum.rounds += 1;
    sum.actions += report.actions;
    sum.positions += report.positions;
    sum.faults += report.faults.length;
    sum.postponed += report.postponed;
  } while (performance.now() < until);
  screen.line();
  screen.labelled(
    'all well',
    `${sum.rounds} rounds: ${thousands(sum.actions)} actions of ${thousands(sum.positions)} positions through ` +
      `${sum.faults} faults, ${thousands(sum.postponed)} batches through retry topics, ` +
      `every record as the model says (seed ${seed})`,
  );
}

const program = new Command('chaos')
  .description(
    'runs actions on an installation of its own, breaks everything in turn, and checks every record',
  )
  .option('--seed <n>', 'which workload and which faults; default: any', wholeNumber(0, 2 ** 31 - 1))
  .option('--minutes <n>', 'how long, in whole rounds', wholeNumber(1, 10_000), 10)
  .option('--brokers <n>', 'number of Kafka brokers', wholeNumber(1, MAX_BROKERS), 3)
  .showHelpAfterError()
  .action(({ seed = randomInt(2 ** 31), ...rest }: Omit<ChaosOptions, 'seed'> & { seed?: number }) =>
    runCommand((context) => chaos({ seed, ...rest }, context)),
  );

await program.parseAsync();
