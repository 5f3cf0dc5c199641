import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { actionViewSchema, successSchema } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import { sendWorstInput, worstInputs } from '@bulk/testing';
import { z } from 'zod';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { benchInstallation, megabytes, mongoEngine, type StackOption } from './installation.ts';

export interface InputsOptions extends StackOption {
  /** Number of rows of the upload. */
  readonly rows: number;
}

/** Size of the old space that the pod limit of intake allows, in MB. */
const HEAP_MB = 256;
/** Number of copies of each worst input that are under way at the same time. */
const COPIES = 2;
const HOSTILE_ACCOUNTS = 5;
/** Number of rows that are sent at once. */
const LINES = 500;
const BATCH_SIZE = 100;
/**
 * Time between two readings of the delay of intake's event loop, in ms. Its histogram starts again
 * with each reading.
 */
const LOOK_MS = 1_000;
/** Longest time in which /livez must answer, in ms. */
const LIVEZ_MS = 1_000;
/** The start of an upload that is never dispatched, so that only its staging is measured. */
const NEVER = new Date(Date.now() + 300 * 86_400_000).toISOString();

const answerSchema = z.object({ ms: z.number(), ok: z.boolean() });

interface Watch {
  /** Latencies of /livez, in ms. */
  readonly latencies: number[];
  failures: number;
  /** Longest delay of the event loop, in seconds. */
  longestDelay: number;
  /** Highest 99th percentile of its delays within a second, in seconds. */
  largestP99: number;
}

/**
 * Measures /livez, memory and event loop of an intake under attack.
 *
 * The intake takes a large upload while the worst inputs keep coming, twenty at once.
 *
 * @throws CodedError `TOO_SLOW` if an answer of /livez took more than a second or failed.
 */
export async function benchInputs(options: InputsOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const { rows } = options;
  const screen = new Screen(process.stdout);
  const { stack, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  const services = await start({
    instances: { handler: 0, 'stats-aggregator': 0, notifier: 0 },
    extraEnv: { intake: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } },
  });
  const watch: Watch = { latencies: [], failures: 0, longestDelay: 0, largestP99: 0 };
  const ended = new AbortController();
  const refusals = new Map<string, number>();
  const { seconds } = await screen.step(
    'upload',
    async () => {
      const upload = uploadRows(services.intakeUrl, rows, signal).finally(() => ended.abort());
      const watching = watchIntake(services, watch, ended.signal);
      const hostile = attack(services.intakeUrl, refusals, ended.signal);
      const [measured] = await whileAllLive(
        { services, stack, signal },
        Promise.all([upload, watching, hostile]),
      );
      return measured;
    },
    () => `${thousands(rows)} rows, under the worst inputs`,
  );
  const sorted = watch.latencies.sort((a, b) => a - b);
  const longest = sorted.at(-1) ?? Number.POSITIVE_INFINITY;
  screen.line();
  screen.labelled('MongoDB', await mongoEngine(stack));
  screen.labelled('heap', `${HEAP_MB} MB at most`);
  screen.labelled('upload', `${seconds.toFixed(1)} s, ${thousands(rows / seconds)} rows/s`);
  screen.labelled('inputs', describeRefusals(refusals));
  screen.labelled(
    '/livez',
    `${thousands(sorted.length)} answers: p50 ${ms(percentile(sorted, 50))}, p99 ${ms(percentile(sorted, 99))}, longest ${ms(longest)}, failed ${watch.failures}`,
  );
  screen.labelled(
    'event loop',
    `longest delay ${ms(watch.longestDelay * 1_000)}, largest p99 of a second ${ms(watch.largestP99 * 1_000)}`,
  );
  screen.labelled('memory', `intake's peak ${megabytes(services.member('intake').peakMemory())}`);
  if (longest > LIVEZ_MS || watch.failures > 0)
    throw new CodedError('TOO_SLOW', `/livez took up to ${ms(longest)}; ${watch.failures} answers failed`);
}

/** Sends the worst inputs until the signal, and waits for those that are under way then. */
async function attack(url: string, refusals: Map<string, number>, signal: AbortSignal): Promise<void> {
  const each = worstInputs();
  const inputs = Array.from({ length: COPIES }, () => each).flat();
  await Promise.all(
    inputs.map(async (input, i) => {
      while (!signal.aborted) {
        // A client that still sends may find its connection ended before it reads the refusal.
        const what = await sendWorstInput(input, url, `hostile-${i % HOSTILE_ACCOUNTS}`).then(
          ({ status, code }) => `${status} ${code}`,
          () => 'connection closed',
        );
        refusals.set(what, (refusals.get(what) ?? 0) + 1);
      }
    }),
  );
}

async function watchIntake(services: ServiceGroup, watch: Watch, signal: AbortSignal): Promise<void> {
  const admin = `http://127.0.0.1:${services.member('intake').launch.adminPort}`;
  const probe = fork(fileURLToPath(new URL('livez-probe.ts', import.meta.url)), [`${admin}/livez`]);
  const broken = new Promise<never>((_, reject) => probe.once('error', reject));
  probe.on('message', (message: unknown) => {
    const { ms: latency, ok } = answerSchema.parse(message);
    watch.latencies.push(latency);
    if (!ok) watch.failures += 1;
  });
  const looking = async (): Promise<void> => {
    while (!signal.aborted) {
      const text = await (await fetch(`${admin}/metrics`)).text();
      watch.longestDelay = Math.max(watch.longestDelay, valueOf(text, 'nodejs_eventloop_lag_max_seconds'));
      watch.largestP99 = Math.max(watch.largestP99, valueOf(text, 'nodejs_eventloop_lag_p99_seconds'));
      await delay(LOOK_MS, signal);
    }
  };
  try {
    await Promise.race([looking(), broken]);
  } finally {
    probe.kill();
  }
}

/** Returns the value of a metric that has one series; 0 if it is absent. */
function valueOf(exposition: string, name: string): number {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(exposition)?.[1] ?? 0);
}

async function uploadRows(
  intakeUrl: string,
  rows: number,
  signal: AbortSignal,
): Promise<{ seconds: number }> {
  const body = (async function* () {
    yield await Promise.resolve(Buffer.from('id,lastName\n'));
    for (let from = 0; from < rows; from += LINES) {
      let text = '';
      for (let i = from; i < Math.min(rows, from + LINES); i += 1) text += `contact-${i},Name ${i}\n`;
      yield Buffer.from(text);
    }
  })();
  const url = new URL(`${intakeUrl}/bulk-actions`);
  url.search = new URLSearchParams({ actionType: 'update', scheduledFor: NEVER }).toString();
  const startedAt = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'x-account-id': 'good', 'content-type': 'text/csv' },
    body: ReadableStream.from(body),
    duplex: 'half',
    signal,
  });
  const text = await response.text();
  if (response.status !== 202) throw new CodedError('UNEXPECTED_ANSWER', `${response.status}: ${text}`);
  const { total } = successSchema(actionViewSchema).parse(JSON.parse(text)).data;
  if (total !== rows) throw new CodedError('UNEXPECTED_ANSWER', `${total} of ${rows} rows`);
  return { seconds: (performance.now() - startedAt) / 1_000 };
}

function describeRefusals(refusals: ReadonlyMap<string, number>): string {
  const parts = [...refusals].sort(([a], [b]) => a.localeCompare(b)).map(([what, n]) => `${n} × ${what}`);
  return parts.join(', ');
}

function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

const ms = (value: number): string => `${Math.round(value)} ms`;
