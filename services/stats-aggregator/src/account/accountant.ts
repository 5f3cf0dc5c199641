import { CodedError, processed } from '@bulk/domain';
import type { ActionCounts, CountedAction } from './action-counts.ts';
import { endPosition, type BatchLog } from './batch-log.ts';
import { deltaOf, type Countable } from './counting.ts';
import type { LogStore } from './log-store.ts';

/** Thrown when a result names an action that does not exist or was not accepted. */
export class UnknownActionError extends CodedError {
  constructor(actionId: string) {
    super('ACTION_NOT_FOUND', `there is no action ${actionId}`);
  }
}

/** Thrown when a result names a position that its action does not have. */
export class PositionOutOfRangeError extends CodedError {
  constructor(actionId: string, end: number, total: number) {
    super(
      'MALFORMED_MESSAGE',
      `action ${actionId} has ${total} positions, a result names position ${end - 1}`,
    );
  }
}

/** Thrown when others keep counting the same action; passes as soon as the partition has one owner. */
export class CountingContendedError extends CodedError {
  constructor(actionId: string) {
    super('COUNTING_CONTENDED', `the counts of action ${actionId} keep changing`, { retryable: true });
  }
}

const MAX_ROUNDS = 5;

/**
 * Keeps the accounts of actions: a log per batch, and counts that equal the logs. May be given the same results again and
 * in other company, by itself or by another instance, and counts each batch once (G3).
 */
export class Accountant {
  readonly #logs: LogStore;
  readonly #counts: ActionCounts;

  constructor(logs: LogStore, counts: ActionCounts) {
    this.#logs = logs;
    this.#counts = counts;
  }

  /**
   * Accounts for results of one partition, in its order.
   *
   * @returns the state of every action concerned, also when nothing was new: a crash may have kept it from being told.
   * @throws UnknownActionError or PositionOutOfRangeError before anything is stored; StoreError.
   */
  async account(partition: number, logs: readonly BatchLog[]): Promise<CountedAction[]> {
    const actions = await this.#counts.find([...new Set(logs.map(({ actionId }) => actionId))]);
    for (const log of logs) checkAgainst(actions.get(log.actionId), log);
    const stored = await this.#logs.store(logs);
    const countable = new Map<string, Countable[]>();
    logs.forEach((log, i) => {
      const entry = { tally: log.tally, source: log.source, stored: stored[i] ?? log.source };
      countable.set(log.actionId, [...(countable.get(log.actionId) ?? []), entry]);
    });
    return Promise.all(
      [...actions.values()].map((action) => this.#count(partition, action, countable.get(action._id) ?? [])),
    );
  }

  async #count(
    partition: number,
    before: CountedAction,
    results: readonly Countable[],
  ): Promise<CountedAction> {
    let action = before;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const applied = action.applied[String(partition)];
      const delta = deltaOf(results, applied);
      if (delta === undefined) return action;
      const after = await this.#counts.add(action._id, partition, applied, delta);
      if (after !== undefined) return checked(after);
      const again = (await this.#counts.find([action._id])).get(action._id);
      if (again === undefined) throw new UnknownActionError(action._id);
      action = again;
    }
    throw new CountingContendedError(action._id);
  }
}

function checkAgainst(action: CountedAction | undefined, log: BatchLog): void {
  if (action === undefined) throw new UnknownActionError(log.actionId);
  if (endPosition(log) > action.total)
    throw new PositionOutOfRangeError(log.actionId, endPosition(log), action.total);
}

/** More outcomes than positions can only be a fault of ours: never in silence. */
function checked(action: CountedAction): CountedAction {
  const done = processed(action.counts);
  if (done > action.total) {
    throw new CodedError(
      'OVERCOUNTED',
      `action ${action._id} has ${done} outcomes for ${action.total} positions`,
    );
  }
  return action;
}
