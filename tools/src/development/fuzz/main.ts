import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { CodedError } from '@bulk/domain';
import {
  loadEnv,
  OWN_PARTS,
  resetStack,
  stackPaths,
  startStack,
  workspaceRoot,
  type Environment,
} from '@bulk/local-stack';
import { Command, InvalidArgumentError } from 'commander';
import { apiDocuments } from '../../generators/api-docs/api-documents.ts';
import { wholeNumber } from '../../console/arguments.ts';
import { runCommand, type CommandContext } from '../../console/command.ts';
import { Screen, thousands } from '../../console/screen.ts';
import { buildServices } from '../../installation/build.ts';
import { openDatabase } from '../../installation/database.ts';
import { serviceEnvironment } from '../../installation/environment.ts';
import { describeFinding } from './finding.ts';
import { KINDS } from './fuzz-case.ts';
import { routesOf } from './routes.ts';
import { runFuzz, type FuzzOptions, type FuzzReport } from './run-fuzz.ts';
import { FuzzTarget } from './target.ts';

interface FuzzCommandOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly only?: FuzzOptions['only'];
}

const NAME = 'fuzz-run';
/** Maximum number of printed findings. A round may have many with one cause. */
const SHOWN = 10;
const MEBIBYTE = 1_048_576;
/** Time-out of the checks, which read everything, in ms. */
const CHECK_TIMEOUT_MS = '60000';

/** Thrown when the fuzz has findings. */
class FuzzError extends CodedError {
  constructor({ findings }: FuzzReport) {
    const more = findings.length > SHOWN ? `\n… and ${findings.length - SHOWN} more` : '';
    super(
      'FUZZ_FINDINGS',
      `${findings.length} findings\n${findings.slice(0, SHOWN).map(describeFinding).join('\n')}${more}`,
    );
  }
}

async function fuzz({ seed, minutes, only }: FuzzCommandOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  screen.labelled('seed', String(seed));
  await screen.step(
    'build',
    () => buildServices(loadEnv(), signal),
    () => '4 services',
  );
  const target = await screen.step(
    'target',
    (log) => startTarget(log, context),
    () => 'up, empty',
  );
  const routes = routesOf((await apiDocuments(workspaceRoot)).openapi);
  const report = await runFuzz({
    target,
    routes,
    seed,
    lastsMs: minutes * 60_000,
    only,
    signal,
    onRound: (round, { cases, actions, positions, findings }) =>
      screen.labelled(
        `round ${round}`,
        `${Object.values(cases).reduce((sum, n) => sum + n)} cases, ${actions} actions of ${thousands(positions)} positions, ${findings.length} findings`,
      ),
  });
  printReport(screen, report);
  if (report.findings.length > 0) throw new FuzzError(report);
}

/** Starts an installation of its own with all its parts. */
async function startTarget(
  log: (line: string) => void,
  { signal, releasers }: CommandContext,
): Promise<FuzzTarget> {
  await resetStack(NAME);
  const stack = await startStack({ name: NAME, env: { ...process.env, ...OWN_PARTS }, log, signal });
  releasers.push('stack', async () => {
    await stack.stop();
    await resetStack(NAME);
  });
  const env: Environment = {
    ...serviceEnvironment({}, stack.urls),
    MONGODB_DATABASE: 'fuzz',
    TOPIC_PREFIX: 'fuzz.',
    KAFKA_LANE_PARTITIONS: '3',
    KAFKA_RESULTS_PARTITIONS: '3',
  };
  const database = await openDatabase('fuzz', { ...env, MONGODB_TIMEOUT_MS: CHECK_TIMEOUT_MS });
  releasers.push('database', () => database.close());
  const logFolder = join(stackPaths(NAME).root, 'services');
  const target = await FuzzTarget.start({ env, database, logFolder, signal });
  releasers.push('services', () => target.close());
  return target;
}

function printReport(
  screen: Screen,
  { rounds, cases, statuses, actions, positions, first, last }: FuzzReport,
): void {
  screen.line();
  for (const kind of KINDS) screen.labelled(thousands(cases[kind]), kind);
  const answers = [...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${thousands(count)}`);
  screen.labelled('answers', answers.join(', '));
  screen.labelled(
    'stored',
    `${thousands(actions)} actions of ${thousands(positions)} positions in ${rounds} rounds`,
  );
  for (const [name, after] of last) {
    const before = first.get(name) ?? after;
    screen.labelled(
      name,
      `heap ${inMebibytes(before.heapBytes)} → ${inMebibytes(after.heapBytes)}, resident ` +
        `${inMebibytes(before.residentBytes)} → ${inMebibytes(after.residentBytes)}, ` +
        `descriptors ${before.descriptors} → ${after.descriptors}`,
    );
  }
}

function inMebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

function place(text: string): NonNullable<FuzzOptions['only']> {
  const [, round, index] = /^(\d{1,6})(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (round === undefined) throw new InvalidArgumentError('expected ROUND or ROUND:CASE');
  return { round: Number(round), index: index === undefined ? undefined : Number(index) };
}

const program = new Command('fuzz')
  .description(
    'attacks an installation of its own with bytes that no client should send, and checks what it does',
  )
  .option('--seed <n>', 'which cases; default: any', wholeNumber(0, 2 ** 31 - 1))
  .option('--minutes <n>', 'how long, in whole rounds', wholeNumber(1, 10_000), 10)
  .option('--only <round:case>', 'one round, or one case of it, as a finding names it', place)
  .showHelpAfterError()
  .action(({ seed = randomInt(2 ** 31), ...rest }: Omit<FuzzCommandOptions, 'seed'> & { seed?: number }) =>
    runCommand((context) => fuzz({ seed, ...rest }, context)),
  );

await program.parseAsync();
