import { MalformedMessageError } from '@bulk/contracts';
import { CodedError, processed } from '@bulk/domain';
import { NO_RECORDER, type AccountRecorder } from './account-recorder.ts';
import type { ActionCounts, CountedAction } from './action-counts.ts';
import { endPosition, type BatchLog } from './batch-log.ts';
import { deltaOf, isSettled, type Countable, type Delta, type LoggedVersion } from './counting.ts';
import { KnownActions } from './known-actions.ts';
import type { LogStore } from './log-store.ts';

/** Thrown when a result names an action that does not exist or was not accepted. */
export class UnknownActionError extends CodedError {
  constructor(actionId: string) {
    super('ACTION_NOT_FOUND', `there is no action ${actionId}`);
  }
}

/**
 * Thrown when other instances keep counting the same action. Transient: it ends once the partition
 * has one owner.
 */
export class CountingContendedError extends CodedError {
  constructor(actionId: string) {
    super('COUNTING_CONTENDED', `the counts of action ${actionId} keep changing`, { retryable: true });
  }
}

const MAX_ROUNDS = 5;

/**
 * Keeps the accounts of actions: a log per batch, and counts that equal the logs.
 *
 * It may receive the same results again, in other chunks and in other instances, and counts each
 * batch once (G3). The result of a replay replaces what was counted before.
 */
export class Accountant {
  readonly #logs: LogStore;
  readonly #counts: ActionCounts;
  readonly #recorder: AccountRecorder;
  readonly #known: KnownActions;

  /** @param known states from which a chunk is accounted for without reading its actions. */
  constructor(
    logs: LogStore,
    counts: ActionCounts,
    recorder: AccountRecorder = NO_RECORDER,
    known = new KnownActions(),
  ) {
    this.#logs = logs;
    this.#counts = counts;
    this.#recorder = recorder;
    this.#known = known;
  }

  /**
   * Accounts for results of one partition, in the partition's order.
   *
   * @returns a state of every action concerned that holds these results, even if nothing was new: a
   * crash may have prevented its publication.
   * @throws UnknownActionError or MalformedMessageError for a result that its action cannot have;
   * StoreError. After any of these errors some logs may be stored: account for the results again,
   * or give them up.
   */
  async account(partition: number, logs: readonly BatchLog[]): Promise<CountedAction[]> {
    const startedAt = performance.now();
    const actions = await this.#actionsOf(logs);
    const open = logs.filter((log) => isOpen(actions.get(log.actionId), log));
    const stored =
      open.length === 0 ? [] : await this.#logs.store(open, (id) => actions.get(id)?.applied ?? {});
    const countable = new Map<string, Countable[]>([...actions.keys()].map((id) => [id, []]));
    open.forEach(({ actionId, batchNo, source }, i) => {
      countable.get(actionId)?.push({ batchNo, source, versions: stored[i] ?? [] });
    });
    const counted = await Promise.all(
      [...actions.values()].map((action) => this.#count(partition, action, countable.get(action._id) ?? [])),
    );
    this.#recorder.accounted((performance.now() - startedAt) / 1_000);
    this.#recorder.redelivered(logs.length - open.length);
    this.#recorder.repeated(open.filter(({ source }, i) => !holds(stored[i], source)).length);
    return counted;
  }

  /**
   * Removes what a result that could not be accounted for has stored.
   *
   * Its log would never be counted, and would cause a replay of its batch to be dropped as a
   * repetition. The outcomes that it had replaced are restored. A result that was counted after all
   * stays as it is.
   *
   * @throws StoreError.
   */
  async giveUp(log: BatchLog): Promise<void> {
    const action = (await this.#counts.find([log.actionId])).get(log.actionId);
    if (action !== undefined && isSettled(log.source, action.applied)) return;
    await this.#logs.remove(log);
  }

  /** Returns the accepted actions that the logs name, as this process knows or finds them. */
  async #actionsOf(logs: readonly BatchLog[]): Promise<Map<string, CountedAction>> {
    const actions = new Map<string, CountedAction>();
    const unknown = new Set<string>();
    for (const { actionId } of logs) {
      if (actions.has(actionId) || unknown.has(actionId)) continue;
      const known = this.#known.get(actionId);
      if (known === undefined) unknown.add(actionId);
      else actions.set(actionId, known.action);
    }
    if (unknown.size === 0) return actions;
    for (const [actionId, action] of await this.#counts.find([...unknown])) actions.set(actionId, action);
    return actions;
  }

  async #count(
    partition: number,
    before: CountedAction,
    results: readonly Countable[],
  ): Promise<CountedAction> {
    let action = before;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const delta = deltaOf(results, action.applied);
      if (delta === undefined) return action;
      const exceeds = processed(action.counts) + processed(delta.tally) > action.total;
      // The first state may come from memory. Only a state that was just read refuses a result.
      if (exceeds && round > 0) throw overcount(action);
      const after = exceeds
        ? undefined
        : await this.#counts.add(action._id, partition, action.applied[String(partition)], delta);
      if (after !== undefined) {
        this.#note(action, after, delta);
        return after;
      }
      action = await this.#readAgain(action._id);
    }
    throw new CountingContendedError(action._id);
  }

  async #readAgain(actionId: string): Promise<CountedAction> {
    this.#known.forget(actionId);
    const action = (await this.#counts.find([actionId])).get(actionId);
    if (action === undefined) throw new UnknownActionError(actionId);
    return action;
  }

  #note(before: CountedAction, after: CountedAction, { batches, tally }: Delta): void {
    this.#recorder.counted(batches, tally);
    const { status, total, createdAt, scheduledFor, finishedAt, pausedMs = 0 } = after;
    if (finishedAt === null) {
      this.#known.keep({ action: after, countedAt: performance.now() });
      return;
    }
    // Few results follow the end of an action: replays and second copies.
    this.#known.forget(after._id);
    if (!hasJustEnded(before, after, finishedAt)) return;
    const since = Math.max(createdAt.getTime(), scheduledFor?.getTime() ?? 0);
    this.#recorder.finished(status, total, Math.max(0, finishedAt.getTime() - since - pausedMs) / 1_000);
  }
}

/** Returns whether the count that led from one state to the other has ended the action. */
function hasJustEnded(before: CountedAction, after: CountedAction, finishedAt: Date): boolean {
  if (before.finishedAt !== null) return false;
  // If `before` was stale, another change may have ended the action. Then it is older than the count.
  return before.version + 1 === after.version || finishedAt.getTime() === after.updatedAt.getTime();
}

/**
 * Returns whether the log of a batch holds a result, now or as a version that a replay replaced.
 */
function holds(versions: readonly LoggedVersion[] | undefined, source: BatchLog['source']): boolean {
  return (
    versions?.some(
      (version) => version.source.partition === source.partition && version.source.offset === source.offset,
    ) === true
  );
}

/**
 * Returns whether a result must still be accounted for.
 *
 * @throws if its action does not exist or cannot have the result.
 */
function isOpen(action: CountedAction | undefined, log: BatchLog): boolean {
  if (action === undefined) throw new UnknownActionError(log.actionId);
  if (isSettled(log.source, action.applied)) return false;
  const { total, batchCount } = action;
  if (endPosition(log) > total) {
    throw new MalformedMessageError(
      `action ${action._id} has ${total} positions, a result names position ${endPosition(log) - 1}`,
    );
  }
  if (log.batchNo < 0 || log.batchNo >= batchCount) {
    throw new MalformedMessageError(
      `action ${action._id} has ${batchCount} batches, a result names batch ${log.batchNo}`,
    );
  }
  return true;
}

function overcount({ _id, total, counts }: CountedAction): MalformedMessageError {
  return new MalformedMessageError(
    `action ${_id} has outcomes for ${processed(counts)} of ${total} positions, results name more than are left`,
  );
}
