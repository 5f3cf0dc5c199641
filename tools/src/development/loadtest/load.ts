import { BulkClient } from '@bulk/client';
import type { ActionStats, LogSummary } from '@bulk/contracts';
import { CodedError, type IncomingEntity } from '@bulk/domain';
import { SAMPLE_CONTACTS } from '../../operator/seed/records.ts';
import { inParallel } from './in-parallel.ts';

export interface LoadOptions {
  readonly actions: number;
  /** Number of entities per action. */
  readonly entities: number;
  /** Maximum number of concurrent requests. */
  readonly concurrency: number;
  readonly accountId: string;
  readonly url: string;
  readonly websocketUrl: string;
  /** Number of contacts of the account that are changed: `contact-1` to `contact-<contacts>`. */
  readonly contacts: number;
  /** Longest wait for the end of each action, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface LoadFigures {
  /** Time from each POST to its 202, in ms. */
  readonly latencies: readonly number[];
  readonly acceptedPerSecond: number;
  /** Measured from the first request to the last outcome. */
  readonly entitiesPerSecond: number;
  readonly seconds: number;
  readonly success: number;
  readonly failure: number;
  readonly skipped: number;
}

/** Thrown when an action's counts do not add up. The message names each fault. */
export class CountsDoNotAddUpError extends CodedError {
  constructor(faults: readonly string[]) {
    super(
      'COUNTS_DO_NOT_ADD_UP',
      `the counts do not add up:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
  }
}

/** Below the default number of subscriptions that a notifier accepts on a connection. */
const FOLLOWED_AT_ONCE = 50;

/**
 * Sends actions to a running installation and follows each to its end.
 *
 * @throws CountsDoNotAddUpError; the client's errors.
 */
export async function runLoad(options: LoadOptions): Promise<LoadFigures> {
  const { url, websocketUrl, accountId } = options;
  const client = new BulkClient({
    baseUrl: url,
    websocketUrl,
    accountId,
    requestTimeoutMs: options.timeoutMs,
  });
  try {
    return await fire(client, options);
  } finally {
    client.close();
  }
}

async function fire(client: BulkClient, options: LoadOptions): Promise<LoadFigures> {
  const { actions, entities, concurrency, timeoutMs, signal } = options;
  const latencies: number[] = [];
  const ids: string[] = [];
  const startedAt = performance.now();
  await inParallel(actions, concurrency, async (index) => {
    signal.throwIfAborted();
    const body = { actionType: 'update', entities: entitiesOf(index, options) };
    const sentAt = performance.now();
    const { actionId } = await client.createAction(body);
    latencies.push(performance.now() - sentAt);
    ids.push(actionId);
  });
  const acceptedAt = performance.now();
  await inParallel(ids.length, FOLLOWED_AT_ONCE, async (index) => {
    await client.waitForCompletion(ids[index] ?? '', { timeoutMs, signal });
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const counts = await verify(client, ids, options);
  return {
    latencies,
    acceptedPerSecond: actions / ((acceptedAt - startedAt) / 1000),
    entitiesPerSecond: (actions * entities) / seconds,
    seconds,
    ...counts,
  };
}

/**
 * Builds the entities of an action. The actions go round the contacts, each from where the former
 * one ended. Within one action, a second round is duplicates.
 */
function entitiesOf(index: number, { entities, contacts }: LoadOptions): IncomingEntity[] {
  return Array.from({ length: entities }, (_, i) => ({
    id: SAMPLE_CONTACTS.idOf(((index * entities + i) % contacts) + 1),
    score: (index + i) % 101,
  }));
}

async function verify(
  client: BulkClient,
  ids: readonly string[],
  { entities, contacts }: LoadOptions,
): Promise<{ success: number; failure: number; skipped: number }> {
  const sum = { success: 0, failure: 0, skipped: 0 };
  const faults: string[] = [];
  const duplicates = Math.max(0, entities - contacts);
  await inParallel(ids.length, FOLLOWED_AT_ONCE, async (index) => {
    const actionId = ids[index] ?? '';
    const [stats, logs] = await Promise.all([client.getStats(actionId), client.getLogSummary(actionId)]);
    for (const outcome of ['success', 'failure', 'skipped'] as const) sum[outcome] += stats[outcome];
    faults.push(...faultsOf(stats, logs, entities, duplicates).map((fault) => `${actionId}: ${fault}`));
  });
  if (faults.length > 0) throw new CountsDoNotAddUpError(faults);
  return sum;
}

function faultsOf(stats: ActionStats, logs: LogSummary, total: number, duplicates: number): string[] {
  const faults: string[] = [];
  const { success, failure, skipped } = stats;
  if (success + failure + skipped !== total) {
    faults.push(`${success} + ${failure} + ${skipped} is not ${total}`);
  }
  if (skipped !== duplicates) faults.push(`${skipped} are skipped, and ${duplicates} are duplicates`);
  if (success !== logs.success || failure !== logs.failure || skipped !== logs.skipped) {
    faults.push(`the logs say ${logs.success}, ${logs.failure}, ${logs.skipped}`);
  }
  return faults;
}
