import {
  isFinal,
  isRetryable,
  renewalInterval,
  type ActionStatus,
  type Lane,
  type StopCause,
} from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { UNTIL_WOKEN, WorkerLoop, type Logger } from '@bulk/runtime';
import { StagedBatchMissingError, type ActionDispatch } from './action-dispatch.ts';
import type { SkipPort } from './dispatch-ports.ts';
import type { SkippedRun } from './skip-store.ts';

export interface SkippedActionsOptions {
  readonly store: SkipPort;
  /** Called with each state of an action that skipping causes; never throws. */
  readonly onChanged: (action: ActionDocument) => void;
  /** Called when batches are skipped and counted; never throws. */
  readonly onSkipped?: (lane: Lane, batches: number) => void;
  /** Called when an action ends here; never throws. */
  readonly onEnded?: (action: ActionDocument) => void;
  readonly leaseMs: number;
  /** How long an action rests after a failure before any instance tries the action again, in ms. */
  readonly retryDelayMs: number;
  readonly log: Logger;
}

/**
 * Maximum number of actions that are skipped at the same time. The others keep their lease
 * meanwhile.
 */
const CONCURRENCY = 4;
/** Number of outcomes that are logged and counted at once. Bounds memory. */
const RUN_POSITIONS = 10_000;

/**
 * Ends cancelled and failing actions without Kafka, in MongoDB alone.
 *
 * Each batch that was never published gets its outcome here, run by run: first the logs, then one
 * update of the action that counts them. Only the holder of the lease counts. If the holder dies in
 * between, the next holder finds its logs and counts them once.
 */
export class SkippedActions {
  readonly #options: SkippedActionsOptions;
  readonly #running = new Set<Promise<void>>();
  #stopping = false;

  constructor(options: SkippedActionsOptions) {
    this.#options = options;
  }

  /** Whether it can take another action now. */
  get hasPlace(): boolean {
    return !this.#stopping && this.#running.size < CONCURRENCY;
  }

  /** Takes over a leased action and its lease. Returns at once; never throws. */
  take(dispatch: ActionDispatch): void {
    const running = this.#skip(dispatch).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Finishes the runs under way and hands every lease back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #skip(dispatch: ActionDispatch): Promise<void> {
    const { log, retryDelayMs } = this.#options;
    const { actionId } = dispatch;
    // A run may take longer than the lease.
    const keeping = new WorkerLoop({ round: () => this.#keep(dispatch) });
    keeping.start(renewalInterval(this.#options.leaseMs));
    try {
      if (await this.#skipAll(dispatch)) log.info({ actionId }, 'Rest of an action skipped');
      else await dispatch.release();
    } catch (error) {
      if (isRetryable(error))
        log.warn({ actionId, err: error }, 'Skipping the rest of an action interrupted; retrying later');
      else log.error({ actionId, err: error }, 'Skipping the rest of an action failed');
      // If this fails too, the lease expires by itself.
      await dispatch
        .postpone(retryDelayMs)
        .catch((failure: unknown) =>
          log.debug({ actionId, err: failure }, 'Lease not handed back; it expires'),
        );
    } finally {
      await keeping.stop();
    }
  }

  /**
   * Keeps the lease; never throws.
   *
   * @returns time to the next renewal, in ms; `UNTIL_WOKEN` if the lease is lost.
   */
  async #keep(dispatch: ActionDispatch): Promise<number> {
    const { leaseMs, log } = this.#options;
    try {
      if (!(await dispatch.keep())) return UNTIL_WOKEN;
    } catch (error) {
      log.debug({ actionId: dispatch.actionId, err: error }, 'Lease not renewed; retrying');
    }
    return renewalInterval(leaseMs);
  }

  /**
   * @returns `false` if this instance must not continue: another instance has the lease, or this
   * one stops.
   */
  async #skipAll({ actionId, owner, nextBatch, action, stopCause }: ActionDispatch): Promise<boolean> {
    const { store, onSkipped } = this.#options;
    const { batchCount, lane } = action;
    if (stopCause === undefined) return false;
    if (!(await store.begin(actionId, owner, nextBatch))) return false;
    let run = await this.#read(actionId, nextBatch, stopCause);
    while (!this.#stopping) {
      const next = run.from + run.batches.length;
      // The next run is read while this one is written.
      const [after, following] = await Promise.all([
        this.#write(actionId, owner, run, batchCount),
        next < batchCount ? this.#read(actionId, next, stopCause) : undefined,
      ]);
      if (after === undefined) return false;
      onSkipped?.(lane, run.batches.length);
      this.#tell(after);
      if (following === undefined) return true;
      run = following;
    }
    return false;
  }

  async #read(actionId: string, from: number, cause: StopCause): Promise<SkippedRun> {
    const run = await this.#options.store.read(actionId, from, RUN_POSITIONS, cause);
    const missing = run.batches.findIndex(({ batchNo }, i) => batchNo !== from + i);
    if (run.batches.length === 0) throw new StagedBatchMissingError(actionId, from);
    if (missing >= 0) throw new StagedBatchMissingError(actionId, from + missing);
    return run;
  }

  async #write(
    actionId: string,
    owner: string,
    run: SkippedRun,
    batchCount: number,
  ): Promise<ActionDocument | undefined> {
    const { store } = this.#options;
    return store.advance(actionId, owner, run, await store.log(actionId, run), batchCount);
  }

  #tell(after: ActionDocument): void {
    const { onChanged, onEnded } = this.#options;
    onChanged(after);
    if (isFinal(after.status as ActionStatus)) onEnded?.(after);
  }
}
