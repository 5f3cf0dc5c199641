import { actionViewSchema, encodeEntities, successSchema } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import { entityKey, type Database } from '@bulk/mongo';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { atMost, goalText, verdictsOn } from './measure/goals.ts';
import { benchInstallation, megabytes, mongoEngine, type StackOption } from './installation.ts';

const ACCOUNT = 'bench';
const BATCH_SIZE = 100;
/** Number of batches per write, as intake stages them by default. */
const GROUP = 20;
/** Number of lines that are sent at once. */
const LINES = 500;
/** The start of actions that are never dispatched, so that only their upload is measured. */
const NEVER = new Date(Date.now() + 300 * 86_400_000).toISOString();
/** Size of intake's old space, in MB. About half of it is intake's code. */
const HEAP_MB = 96;
/** Peak memory of the largest upload, as a multiple of the smallest one's: the memory is flat. */
const GROWTH = atMost(1.15);

export interface UploadOptions extends StackOption {
  /** Number of entities of each upload. */
  readonly sizes: readonly number[];
}

interface Measured {
  readonly entities: number;
  readonly megabytes: number;
  readonly seconds: number;
  /** Peak memory of intake, whose process was new, in bytes. */
  readonly peakMemory: number | undefined;
}

/**
 * Measures the time of streamed uploads of several sizes, and intake's peak memory.
 *
 * The peak must not grow with the size.
 */
export async function benchUploads(options: UploadOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const { sizes } = options;
  const screen = new Screen(process.stdout);
  const { stack, database, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  const services = await start({
    instances: { handler: 0, 'stats-aggregator': 0, notifier: 0 },
    extraEnv: {
      intake: {
        MAX_ENTITIES: String(Math.max(...sizes)),
        // V8 keeps garbage while there is room. A heap that would grow with the upload fails here.
        NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`,
      },
    },
  });
  const measured: Measured[] = [];
  for (const entities of sizes) {
    await services.restart('intake');
    measured.push(
      await screen.step(
        'upload',
        () => whileAllLive({ services, stack, signal }, upload(services, entities, signal)),
        () => `${thousands(entities)} entities`,
      ),
    );
  }
  const largest = Math.max(...sizes);
  const raw = await screen.step(
    'raw',
    () => insertRaw(database, largest),
    () => `the staged batches of ${thousands(largest)} entities, inserted without the platform`,
  );
  screen.line();
  screen.labelled('MongoDB', await mongoEngine(stack));
  screen.labelled('heap', `${HEAP_MB} MB at most`);
  for (const { entities, seconds, peakMemory, megabytes: size } of measured) {
    screen.labelled(
      thousands(entities),
      `${seconds.toFixed(1)} s, ${thousands(entities / seconds)} entities/s, ${size} MB of NDJSON, intake's peak memory ${megabytes(peakMemory)}`,
    );
  }
  const [first, last] = [measured[0], measured.at(-1)];
  if (first?.peakMemory !== undefined && last?.peakMemory !== undefined) {
    const growth = last.peakMemory / first.peakMemory;
    const verdicts = verdictsOn(await mongoEngine(stack));
    screen.labelled(
      'memory',
      `${growth.toFixed(2)} times that of an upload ${thousands(last.entities / first.entities)} times smaller (${goalText(growth, GROWTH, ' times', verdicts)})`,
    );
  }
  if (last !== undefined) {
    screen.labelled('raw', `${thousands(largest / raw)} entities/s (${raw.toFixed(1)} s)`);
    screen.labelled('ratio', (raw / last.seconds).toFixed(2));
  }
}

async function upload(services: ServiceGroup, entities: number, signal: AbortSignal): Promise<Measured> {
  let bytes = 0;
  const body = (async function* () {
    for (let from = 0; from < entities; from += LINES) {
      const chunk = Buffer.from(linesOf(from, Math.min(entities, from + LINES)));
      bytes += chunk.length;
      yield await Promise.resolve(chunk);
    }
  })();
  const url = new URL(`${services.intakeUrl}/bulk-actions`);
  url.search = new URLSearchParams({ actionType: 'update', scheduledFor: NEVER }).toString();
  const startedAt = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'x-account-id': ACCOUNT, 'content-type': 'application/x-ndjson' },
    body: ReadableStream.from(body),
    duplex: 'half',
    signal,
  });
  const text = await response.text();
  const seconds = (performance.now() - startedAt) / 1000;
  if (response.status !== 202) throw new CodedError('UNEXPECTED_ANSWER', `${response.status}: ${text}`);
  const { total } = successSchema(actionViewSchema).parse(JSON.parse(text)).data;
  if (total !== entities) throw new CodedError('UNEXPECTED_ANSWER', `${total} of ${entities} entities`);
  return {
    entities,
    megabytes: Math.round(bytes / 1_048_576),
    seconds,
    peakMemory: services.member('intake').peakMemory(),
  };
}

const fieldsOf = (i: number): { ownerId: string; score: number } => ({
  ownerId: `user-${i % 25}`,
  score: i % 101,
});

function linesOf(from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i += 1) text += `${JSON.stringify({ id: `contact-${i}`, ...fieldsOf(i) })}\n`;
  return text;
}

/** Inserts documents like those of `staged_batches`, as intake does. @returns seconds. */
async function insertRaw(database: Database, entities: number): Promise<number> {
  const startedAt = performance.now();
  const collection = database.entities('raw_batches');
  const at = new Date();
  for (let from = 0; from < entities; from += BATCH_SIZE * GROUP) {
    const batches = Math.ceil(Math.min(entities - from, BATCH_SIZE * GROUP) / BATCH_SIZE);
    await collection.insertMany(
      Array.from({ length: batches }, (_, batch) => {
        const first = from + batch * BATCH_SIZE;
        return {
          _id: entityKey(ACCOUNT, `raw-${first}`),
          accountId: ACCOUNT,
          id: `raw-${first}`,
          version: 1,
          createdAt: at,
          updatedAt: at,
          entities: encodeEntities(
            Array.from({ length: Math.min(BATCH_SIZE, entities - first) }, (_unused, i) => ({
              position: first + i,
              id: `contact-${first + i}`,
              ref: null,
              fields: fieldsOf(first + i),
            })),
          ),
        };
      }),
      { ordered: false },
    );
  }
  return (performance.now() - startedAt) / 1000;
}
