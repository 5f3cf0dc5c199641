import { RestError, type ActionView } from '@bulk/contracts';
import { chunksOf, isFinal, processed, type ActionStatus } from '@bulk/domain';
import { stored, type ActionDocument, type Database, type RetryLink } from '@bulk/mongo';
import { PositionSet } from './position-set.ts';

/** Maximum number of retries of a chain. It bounds what a retry and a view of an action read. */
export const MAX_RETRIES = 1_000;
/** Number of batches whose logs are read at a time. */
const BATCHES = 20;

/** The fields of an action that its chain needs. */
export type ChainedAction = Pick<ActionDocument, '_id' | 'counts' | 'retryChain'>;
type ChainedRetry = Pick<ActionDocument, '_id' | 'retryOf' | 'status' | 'counts' | 'total' | 'batchCount'> & {
  readonly retryChain: RetryLink;
};

/** The place of a new retry in its chain, and the positions that it must leave out. */
export interface NextRetry {
  readonly link: RetryLink;
  /** Positions of the first action that later retries have fixed. */
  readonly fixed: PositionSet;
  /** Positions of the first action that later retries try. */
  readonly open: PositionSet;
}

/**
 * Reads the chain of an action: all retries of the same first action, in the order of acceptance.
 *
 * A retry leaves out the positions that another retry tries or has fixed. So no position has two
 * successes in a chain, and the totals after retries need the counts of the retries alone.
 */
export class RetryChain {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Reads what a new retry of an action needs.
   *
   * The new retry must be accepted with `link`. If another retry of the chain was accepted after
   * this read, that acceptance fails.
   *
   * @throws RestError `TOO_MANY_RETRIES`; `RETRY_EXPIRED` if it is no longer known what a later
   * retry has fixed; StoreError.
   */
  async next(action: ChainedAction): Promise<NextRetry> {
    const { id, no } = placeOf(action);
    const later = await this.#after(action);
    const last = later.at(-1)?.retryChain.no ?? no;
    if (last >= MAX_RETRIES) {
      throw new RestError(
        'TOO_MANY_RETRIES',
        `an action can be retried ${MAX_RETRIES} times, its retries included`,
      );
    }
    const sets = { fixed: new PositionSet(), open: new PositionSet() };
    for (const retry of later) await this.#close(retry, sets);
    return { link: { id, no: last + 1, failures: action.counts.failure }, ...sets };
  }

  /**
   * Computes the counts of an action after its retries; undefined if it was not retried.
   *
   * Each success of a retry is that of a position that had failed. A dead letter of a retried
   * action can be replayed later. Then nobody knows whether its success is also that of a retry, so
   * it is subtracted: no position counts twice.
   *
   * @throws StoreError.
   */
  async totals(action: ChainedAction): Promise<ActionView['afterRetries']> {
    const { counts } = action;
    if (counts.failure === 0) return undefined;
    const known = new Map<string, ChainedAction>([[action._id, action]]);
    const replayed = new Map<string, number>();
    let fixed = 0;
    for (const retry of await this.#after(action)) {
      const parent = known.get(retry.retryOf ?? '');
      if (parent === undefined) continue;
      known.set(retry._id, retry);
      fixed += retry.counts.success;
      if (!replayed.has(parent._id))
        replayed.set(parent._id, Math.max(0, retry.retryChain.failures - parent.counts.failure));
    }
    if (known.size === 1) return undefined;
    const twice = [...replayed.values()].reduce((sum, n) => sum + n, 0);
    const gained = Math.min(counts.failure, Math.max(0, fixed - twice));
    return {
      actions: known.size - 1,
      success: counts.success + gained,
      failure: counts.failure - gained,
      skipped: counts.skipped,
    };
  }

  /** Reads the retries of the chain that were accepted after an action, in order. */
  #after(action: ChainedAction): Promise<ChainedRetry[]> {
    const { id, no } = placeOf(action);
    return stored(
      this.#database.actions
        .find({ 'retryChain.id': id, 'retryChain.no': { $gt: no } }, { sort: { 'retryChain.no': 1 } })
        .project<ChainedRetry>({ retryOf: 1, retryChain: 1, status: 1, counts: 1, total: 1, batchCount: 1 })
        .toArray(),
    );
  }

  /** Adds the positions that a retry tries or has fixed. */
  async #close(retry: ChainedRetry, { fixed, open }: Pick<NextRetry, 'fixed' | 'open'>): Promise<void> {
    const { _id: actionId, counts, total, status, batchCount } = retry;
    const isDone = isFinal(status as ActionStatus) && processed(counts) === total;
    if (isDone && counts.success === 0) return;
    const { stagedBatches, actionLogs } = this.#database;
    let batches = 0;
    for (const numbers of chunksOf(numbersUpTo(batchCount), BATCHES)) {
      const [staged, logs] = await Promise.all([
        stored(
          stagedBatches
            .find({ actionId, batchNo: { $in: numbers } })
            .project<{ _id: string; origins: number[]; entities: { position: number }[] }>({
              origins: 1,
              'entities.position': 1,
            })
            .toArray(),
        ),
        stored(
          actionLogs
            .find({ _id: { $in: numbers.map((batchNo) => `${actionId}:${batchNo}`) } })
            .project<{ _id: string; outcomes: { position: number; status: string }[] }>({
              'outcomes.position': 1,
              'outcomes.status': 1,
            })
            .toArray(),
        ),
      ]);
      batches += staged.length;
      const outcomes = new Map(logs.map((log) => [log._id, log.outcomes]));
      for (const { _id, origins, entities } of staged) {
        const ended = new Map((outcomes.get(_id) ?? []).map(({ position, status: of }) => [position, of]));
        entities.forEach(({ position }, i) => {
          const origin = origins[i];
          const outcome = ended.get(position);
          if (origin === undefined) return;
          if (outcome === undefined) open.add(origin);
          else if (outcome === 'success') fixed.add(origin);
        });
      }
    }
    if (batches !== batchCount) throw retryExpired(actionId);
  }
}

/** Returns the chain of an action and its place: 0 for the first one. */
function placeOf({ _id, retryChain }: ChainedAction): Pick<RetryLink, 'id' | 'no'> {
  return retryChain ?? { id: _id, no: 0 };
}

function numbersUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Builds the refusal of a retry whose entities were removed. */
export function retryExpired(actionId: string): RestError {
  return new RestError(
    'RETRY_EXPIRED',
    `the entities of action ${actionId} are no longer kept: send the failed entities again`,
  );
}

/** Builds the refusal of a retry that was not the first one to be accepted. */
export function retryInProgress(): RestError {
  return new RestError(
    'RETRY_IN_PROGRESS',
    'another retry of the action was accepted at the same time: send the request again',
  );
}
