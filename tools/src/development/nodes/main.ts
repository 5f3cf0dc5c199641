import { join } from 'node:path';
import { CodedError } from '@bulk/domain';
import {
  cacheFolder,
  lineOf,
  loadEnv,
  provideNode,
  readNodeVersions,
  run,
  withNode,
  workspaceRoot,
} from '@bulk/local-stack';
import { Command, Option } from 'commander';
import { runCommand } from '../../console/command.ts';
import { hasPassed, type NodeRun, readFigures, tableOf } from './verdict.ts';

/** Thrown when the tests do not pass on a version of Node. The table says which one. */
class NodesFailedError extends CodedError {
  constructor(failed: number, of: number) {
    super('TESTS_FAILED', `${failed} of ${of} runs failed`);
  }
}

const SUITES = ['unit', 'integration'] as const;
const RUNNER = join(workspaceRoot, 'tools', 'test.mjs');

interface Options {
  readonly node: readonly string[];
  readonly suite: readonly (typeof SUITES)[number][];
}

const { tested } = readNodeVersions();
const LINES = tested.map(({ version }) => lineOf(version));

const program = new Command('test:nodes')
  .description('runs the tests on each supported line of Node in turn, and prints their figures as a table')
  .addOption(new Option('--node <line...>', 'only these lines').choices(LINES).default(LINES))
  .addOption(new Option('--suite <name...>', 'only these suites').choices(SUITES).default(SUITES))
  .argument('[jest...]', 'arguments for jest, after a second --')
  .showHelpAfterError();

await runCommand(async ({ signal }) => {
  const { node: lines, suite: suites } = program.parse().opts<Options>();
  const env = loadEnv();
  const log = (line: string): void => console.log(line);
  const context = { cache: cacheFolder(env), env, log, signal };
  const chosen = tested.filter(({ version }) => lines.includes(lineOf(version)));
  // Provided first, so that a missing version is reported before the tests run.
  const binaries: [string, string][] = [];
  for (const release of chosen) binaries.push([release.version, await provideNode(context, release)]);

  const runs: NodeRun[] = [];
  for (const [version, binary] of binaries) {
    for (const suite of suites) {
      log(`\n== ${suite} tests on Node ${version}`);
      const startedAt = performance.now();
      const { code, output } = await run(binary, [RUNNER, suite, ...program.args], {
        env: withNode(binary, env),
        cwd: workspaceRoot,
        signal,
        onOutput: (text) => process.stdout.write(text),
      });
      const seconds = (performance.now() - startedAt) / 1_000;
      runs.push({ version, suite, figures: readFigures(output), exitCode: code, seconds });
    }
  }
  log(`\n${tableOf(runs).join('\n')}`);
  const failed = runs.filter((each) => !hasPassed(each)).length;
  if (failed > 0) throw new NodesFailedError(failed, runs.length);
});
