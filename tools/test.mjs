/**
 * The tests: `node tools/test.mjs [all|unit|integration|e2e] [jest arguments]`.
 *
 * Its last line is `N passed, N failed`, jest's totals of tests over all runs; a suite that could not run counts as one
 * failure, no test at all is a failure too. `all` also runs the unit tests on the Node that the images have, where this
 * process runs on another line of Node: they have a line of figures of their own, each of their failures counts as one,
 * and none of them counts as passed for a second time.
 *
 * A check that cannot be made here is no test that passed: before the last line stands `SKIPPED <name>: <reason>` for
 * each one (`noteSkipped`), and `, N skipped` at its end. The real parts are started once, here, outside of jest: they
 * are children of this process, and the kernel ends them with it, however it ends.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { register } from 'tsx/esm/api';
import { skippedChecks } from './skipped-checks.mjs';

// From here on TypeScript can be imported.
register();
const { cacheFolder, lineOf, provideNode, readNodeVersions, StackError, startTestStack, tiedToUs, withNode } =
  await import('@bulk/local-stack');
const { noteSkipped } = await import('./src/checks/skipped.ts');

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (path) => join(root, 'node_modules', ...path.split('/'));

const CORES = Math.min(4, availableParallelism());

/** How long jest may take to end after it has written its report, in ms. */
const END_LIMIT_MS = 30_000;

/**
 * What each run gives to jest. Unit tests compute: one worker per core. Integration tests wait more than half of their
 * time: two workers per core. The end-to-end tests have the machine to themselves.
 */
const RUNS = {
  unit: { needsStack: false, needsBuild: false, args: [`--maxWorkers=${CORES}`, '--testTimeout=20000'] },
  integration: {
    needsStack: true,
    needsBuild: false,
    args: [`--maxWorkers=${2 * CORES}`, '--testTimeout=60000'],
  },
  e2e: { needsStack: true, needsBuild: true, args: ['--runInBand', '--testTimeout=180000'] },
};

/** As in `npm run lint:words`. */
const SPELLING = [
  '--no-progress',
  '--no-summary',
  '--quiet',
  '--cache',
  '--cache-location=.nx/cspell',
  '**/*.md',
  '{libs,services,tools,e2e,deploy,examples}/**/*.ts',
];

// Brokers of tests live for seconds, so the time in which Java optimises them is lost: half the cost of a start.
process.env.JDK_JAVA_OPTIONS ??= '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC';

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => ending.abort(new Error(`ended by ${signal}`)));
}

const [suite = 'all', ...rest] = process.argv.slice(2);
const jestArgs = rest.filter((argument) => argument !== '--');
if (suite !== 'all' && !(suite in RUNS)) {
  process.stderr.write(`unknown tests "${suite}", expected one of: all, ${Object.keys(RUNS).join(', ')}\n`);
  process.exit(2);
}
const names = suite === 'all' ? Object.keys(RUNS) : [suite];
const totals = { passed: 0, failed: 0 };
const problems = [];
/** Number of runs so far. */
let runs = 0;
/** Of jest; those of a run of chosen tests, by their names, leave all others out on purpose. */
const reports = [];
const scratch = mkdtempSync(join(tmpdir(), 'bulk-test-'));
process.env.BULK_SKIPPED_CHECKS ??= join(scratch, 'skipped');
let skipped;
let stack;

try {
  if (suite === 'all') await check();
  for (const name of names) {
    ending.signal.throwIfAborted();
    const run = RUNS[name];
    if (run.needsBuild) await build();
    if (run.needsStack) stack ??= await startParts();
    addRun(name, await runJest(name, run, stack?.env ?? {}));
    if (suite === 'all' && name === 'unit') await runUnitTestsOnNodeOfImages();
  }
  if (totals.passed + totals.failed === 0) problems.push('no test was run');
} catch (error) {
  totals.failed += 1;
  problems.push(error instanceof Error ? String(error) : 'ended early');
} finally {
  await stack?.stop();
  skipped = skippedChecks(process.env.BULK_SKIPPED_CHECKS, reports);
  for (const read of [process.env.BULK_SKIPPED_CHECKS, scratch])
    rmSync(read, { recursive: true, force: true });
}
for (const problem of problems) process.stderr.write(`FAILED: ${problem}\n`);
process.exitCode = totals.failed > 0 || problems.length > 0 ? 1 : 0;
for (const { name, reason } of skipped) process.stdout.write(`SKIPPED ${name}: ${reason}\n`);
const more = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed${more}\n`, () => process.exit());

/**
 * Everything that can be said without running the code. Each program uses one core, and eslint takes about as long as
 * all others together.
 */
async function check() {
  const quiet = { NX_DAEMON: 'false', NX_TUI: 'false' };
  const lint = async () => {
    await step('nx graph', [bin('nx/dist/bin/nx.js'), 'show', 'projects'], { env: quiet, silent: true });
    await step('eslint', [bin('eslint/bin/eslint.js'), '.', '--max-warnings=0']);
  };
  const others = async () => {
    await step('prettier', [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.']);
    await step('tsc', [bin('typescript/bin/tsc'), '-p', 'tsconfig.json']);
    await step('words', [bin('tsx/dist/cli.mjs'), 'tools/src/checks/words/main.ts']);
    await step('spelling', [bin('cspell/bin.mjs'), ...SPELLING]);
    await step('unused', [bin('knip/bin/knip.js'), '--no-progress', '--no-config-hints']);
  };
  await atOnce(lint(), others());
}

/** Waits for the end of all of them, and then throws the first error. */
async function atOnce(...works) {
  const ends = await Promise.allSettled(works);
  const failed = ends.find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function build() {
  const args = [bin('nx/dist/bin/nx.js'), 'run-many', '-t', 'build'];
  await step('build', args, { env: { NX_DAEMON: 'false', NX_TUI: 'false' }, silent: true });
}

/** Runs a step; a failure is noted, said before the last line, and does not keep the tests from running. */
async function step(name, args, { env = {}, silent = false } = {}) {
  ending.signal.throwIfAborted();
  const startedAt = performance.now();
  const { code, output } = await run(args, env, silent);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`);
  if (code === 0) return;
  process.stderr.write(output);
  problems.push(name);
}

/** The real parts, from where TEST_STACK says, else from what is at hand. Their death ends the run. */
async function startParts() {
  const log = (line) => process.stdout.write(`test stack: ${line}\n`);
  const running = await startTestStack({ log, signal: ending.signal });
  void running.closed.then((error) => {
    if (error !== undefined) ending.abort(error);
  });
  return {
    env: {
      KAFKA_BROKERS: running.urls.kafkaBrokers,
      SCHEMA_REGISTRY_URL: running.urls.schemaRegistryUrl,
      MONGODB_URI: running.urls.mongodbUri,
      REDIS_URL: running.urls.redisUrl,
    },
    // The logs of a failure stay, the data of a success goes.
    stop: () => running.stop({ failed: totals.failed > 0 }),
  };
}

/**
 * Runs one suite.
 *
 * @param binary of Node, if not this one; every `node` that the tests start by its name is then the same one.
 */
async function runJest(name, { args }, env, binary = process.execPath) {
  const report = join(scratch, `${name}-${runs++}.json`);
  const { code } = await run(
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      bin('jest/bin/jest.js'),
      '--selectProjects',
      name,
      ...args.filter((own) => !jestArgs.some((given) => nameOf(given) === nameOf(own))),
      '--json',
      `--outputFile=${report}`,
      ...jestArgs,
    ],
    { ...(binary !== process.execPath && withNode(binary, process.env)), ...env },
    false,
    { stdout: 'ignore', binary, lastFile: report },
  );
  return { code, ...readReport(report) };
}

function addRun(name, { code, passed, failed, report }) {
  if (report !== undefined) reports.push(report);
  totals.passed += passed;
  totals.failed += failed;
  say(name, { code, passed, failed });
}

function say(name, { code, passed, failed }) {
  process.stdout.write(`${name}: ${passed} passed, ${failed} failed\n`);
  if (passed + failed === 0) problems.push(`${name}: no test was run`);
  else if (code !== 0 && failed === 0) problems.push(`${name}: jest ended with exit code ${code}`);
}

/** Runs the unit tests once more, on the Node of the images, unless they have just run on the same line of Node. */
async function runUnitTestsOnNodeOfImages() {
  const { images } = readNodeVersions();
  if (lineOf(process.versions.node) === lineOf(images.version)) return;
  const name = `unit tests on Node ${images.version}`;
  const binary = await nodeOrReason(images);
  if (binary.reason !== undefined) {
    noteSkipped({ name, reason: binary.reason });
    return;
  }
  const result = await runJest('unit', RUNS.unit, {}, binary.path);
  totals.failed += result.failed;
  say(name, result);
}

/** The path of a release of Node, or why this machine cannot have it. A package with a wrong content is no such reason. */
async function nodeOrReason(release) {
  const log = (line) => process.stdout.write(`${line}\n`);
  try {
    const context = { cache: cacheFolder(), env: process.env, log, signal: ending.signal };
    return { path: await provideNode(context, release) };
  } catch (error) {
    if (error instanceof StackError && error.code !== 'CHECKSUM_MISMATCH') return { reason: error.message };
    throw error;
  }
}

/** `--testTimeout` of `--testTimeout=60000`: what the user gives replaces what the run has. */
function nameOf(argument) {
  return argument.split('=')[0];
}

function readReport(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    const chosen = jestArgs.some((argument) => ['-t', '--testNamePattern'].includes(nameOf(argument)));
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
      report: chosen ? undefined : report,
    };
  } catch {
    // jest itself crashed or was ended: whatever it had done is not known.
    return { passed: 0, failed: 1 };
  }
}

/**
 * Runs Node to its end, or to ours: then it is asked to end and waited for.
 *
 * @param lastFile what it writes last. If it does not end within `END_LIMIT_MS` afterwards, because a test has left
 *   something open, it is killed, which is a failure.
 */
function run(args, env, silent, { stdout = 'inherit', binary = process.execPath, lastFile } = {}) {
  const [command, list] = tiedToUs(binary, args, process.env);
  const child = spawn(command, list, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', silent ? 'pipe' : stdout, silent ? 'pipe' : 'inherit'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output = (output + chunk.toString('utf8')).slice(-20_000);
    });
  }
  let kill;
  const watch = setInterval(() => {
    if (lastFile === undefined || kill !== undefined || !existsSync(lastFile)) return;
    kill = setTimeout(() => {
      problems.push('jest did not end after the last test: a test has left something open');
      child.kill('SIGKILL');
    }, END_LIMIT_MS);
  }, 1_000);
  const end = () => child.kill('SIGTERM');
  ending.signal.addEventListener('abort', end, { once: true });
  return new Promise((settle, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearInterval(watch);
      clearTimeout(kill);
      ending.signal.removeEventListener('abort', end);
      settle({ code: code ?? 1, output });
    });
  });
}
