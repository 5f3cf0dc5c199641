import type { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import { timesOf } from './medians.ts';
import { figure } from './table.ts';

/** Times of a small action since the request, in ms, in the order in which they pass. */
const STAGES = [
  ['accepted', 'answered with 202'],
  ['queued', 'all batches are in Kafka'],
  ['started', 'the first outcome is counted'],
  ['finished', 'the last outcome is counted'],
  ['seen', 'the subscriber has the completed frame'],
] as const;

/** When a small action passed each stage, in ms since the request. */
export type Stages = Readonly<Record<(typeof STAGES)[number][0], number>>;

/**
 * Runs an action to its end. All clocks are that of this machine.
 *
 * @throws CodedError if an entity did not succeed.
 */
export async function runThroughStages(
  client: BulkClient,
  action: Parameters<BulkClient['createAction']>[0],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Stages> {
  const askedAt = Date.now();
  const { actionId, total } = await client.createAction(action);
  const acceptedAt = Date.now();
  const end = await client.waitForCompletion(actionId, options);
  const seenAt = Date.now();
  if (end.success !== total)
    throw new CodedError('UNEXPECTED_OUTCOME', `${end.success} of ${total} succeeded`);
  const { queuedAt, startedAt, finishedAt } = await client.getAction(actionId);
  const since = (instant: string | null): number =>
    instant === null ? Number.NaN : Date.parse(instant) - askedAt;
  return {
    accepted: acceptedAt - askedAt,
    queued: since(queuedAt),
    started: since(startedAt),
    finished: since(finishedAt),
    seen: seenAt - askedAt,
  };
}

/** Returns the text of each stage with its median and slowest time. */
export function stageLines(runs: readonly Stages[]): (readonly [name: string, text: string])[] {
  return STAGES.map(([stage, meaning]) => {
    const { median, slowest } = timesOf(runs.map((run) => run[stage]));
    return [stage, `after ${figure(median)} ms (median; slowest ${figure(slowest)} ms): ${meaning}`];
  });
}

/** Returns the median of each stage in one line. */
export function stagesLine(runs: readonly Stages[]): string {
  return STAGES.map(([stage]) => `${stage} ${figure(timesOf(runs.map((run) => run[stage])).median)}`).join(
    ', ',
  );
}
