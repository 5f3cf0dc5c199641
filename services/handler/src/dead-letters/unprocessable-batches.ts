import { deadLettered, deadLetteredOutcomes } from '@bulk/domain';
import type { EntityBatchContent } from '@bulk/contracts';
import type { DeadLetters, ReceivedMessage } from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import type { EndedActions } from '../application/ended-actions.ts';
import { reportedBatchOf, type LaneBatch, type ReportedBatch } from '../application/lane-batch.ts';
import type { ResultReporter } from '../application/result-reporter.ts';
import type { DeadBatches } from './dead-batches.ts';

export interface UnprocessableBatchesOptions {
  readonly deadLetters: Pick<DeadLetters, 'add'>;
  readonly deadBatches: Pick<DeadBatches, 'identify'>;
  readonly endedActions: Pick<EndedActions, 'isRepetition'>;
  readonly reporter: Pick<ResultReporter, 'report'>;
  readonly decode: (message: ReceivedMessage) => Promise<EntityBatchContent>;
  readonly log: Logger;
}

/** Whether a message is in the dead letters already. It lives over all tries of the message. */
export interface DeadLetterState {
  isDeadLettered: boolean;
}

/** Dead-letters messages and fails their open positions, so that their actions still complete. */
export class UnprocessableBatches {
  readonly #options: UnprocessableBatchesOptions;

  constructor(options: UnprocessableBatchesOptions) {
    this.#options = options;
  }

  /**
   * Gives up a message that cannot be read, or whose result cannot be reported. All positions of its
   * batch fail.
   *
   * @param message as it came out of its lane.
   * @returns the batch, and how its work ended; `undefined` if nothing says which batch it is.
   * @throws StoreError; ProduceError: repeat the call with the same `state`.
   */
  async giveUp(
    message: ReceivedMessage,
    error: unknown,
    attempts: number,
    state: DeadLetterState,
  ): Promise<{ batch: ReportedBatch; end: 'action-ended' | 'dead-lettered' } | undefined> {
    const { deadBatches, decode, endedActions, reporter, log } = this.#options;
    const batch = await deadBatches.identify(message, decode);
    if (batch !== undefined && (await endedActions.isRepetition(batch)))
      return { batch, end: 'action-ended' };
    await this.#deadLetter(message, error, attempts, batch, state);
    if (batch === undefined) {
      const { topic, partition, offset } = message;
      log.error(
        { topic, partition, offset },
        'Positions of a dead-lettered batch are unknown; its action will not complete',
      );
      return undefined;
    }
    await reporter.report(batch, message, deadLetteredOutcomes(batch.entities, 'batch', attempts));
    return { batch, end: 'dead-lettered' };
  }

  /**
   * Gives up a batch that was processed in part. Its open positions fail.
   *
   * @throws ProduceError: repeat the call with the same `state`.
   */
  async giveUpOpen(batch: LaneBatch, error: unknown, state: DeadLetterState): Promise<void> {
    const { message, progress, content } = batch;
    const reported = reportedBatchOf(batch);
    await this.#deadLetter(message, error, progress.attempts, reported, state);
    const outcomes = progress.outcomes(content.entities, deadLettered('batch'));
    await this.#options.reporter.report(reported, message, outcomes);
  }

  /**
   * Writes one dead letter, however often the later steps are tried. Only a crash or a new owner
   * causes a second one.
   */
  async #deadLetter(
    message: ReceivedMessage,
    error: unknown,
    attempts: number,
    reported: ReportedBatch | undefined,
    state: DeadLetterState,
  ): Promise<void> {
    if (state.isDeadLettered) return;
    const { topic, partition, offset } = message;
    const { log, deadLetters } = this.#options;
    log.error({ topic, partition, offset, attempts, err: error }, 'Batch dead-lettered');
    const batch = reported && { actionId: reported.identity.actionId, batchNo: reported.batchNo };
    await deadLetters.add({ message, error, attempts, batch });
    state.isDeadLettered = true;
  }
}
