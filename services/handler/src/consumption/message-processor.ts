import { HEADERS, headerText, MalformedMessageError } from '@bulk/contracts';
import { backoffDelay, isRetryable, type BackoffOptions } from '@bulk/domain';
import {
  ConsumerStoppingError,
  KAFKA_PRODUCER,
  PartitionLostError,
  type Chunk,
  type ReceivedMessage,
} from '@bulk/kafka';
import type { DependencyWatch, Logger, Places } from '@bulk/runtime';
import { TRACEPARENT, withSpan } from '@bulk/runtime/telemetry';
import type { BatchRecorder } from '../application/batch-recorder.ts';
import type { BatchRunner } from '../application/batch-runner.ts';
import type { EndedActions } from '../application/ended-actions.ts';
import { reportedBatchOf, type LaneBatch } from '../application/lane-batch.ts';
import type { ResultReporter } from '../application/result-reporter.ts';
import type { UnprocessableBatches } from '../dead-letters/unprocessable-batches.ts';
import type { RetryTopics } from '../retry/retry-topics.ts';
import type { BatchOpener } from './batch-opener.ts';
import type { MessageWork, Unprocessable, WorkEnd } from './message-work.ts';

export interface MessageProcessorOptions {
  readonly opener: Pick<BatchOpener, 'open' | 'laneMessage'>;
  readonly runner: Pick<BatchRunner, 'try'>;
  readonly reporter: Pick<ResultReporter, 'report'>;
  readonly unprocessable: Pick<UnprocessableBatches, 'giveUp' | 'giveUpOpen'>;
  readonly endedActions: Pick<EndedActions, 'isRepetition'>;
  readonly retryTopics: Pick<RetryTopics, 'postpone'>;
  /** Updates readiness from the result of work that uses a dependency. */
  readonly dependencies: Pick<DependencyWatch, 'during'>;
  /**
   * Maximum number of tries of a message that cannot be processed at all for a reason that is not
   * known to be transient.
   */
  readonly maxAttempts: number;
  /** Waits between tries of whatever is not the application of a batch. */
  readonly backoff: BackoffOptions;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  readonly recorder: Pick<BatchRecorder, 'ended' | 'retried'>;
  readonly log: Logger;
}

/**
 * Takes one message as far as it gets: decode, apply, then report, postpone, dead-letter or drop.
 *
 * The work on a message is a sequence of steps that is resumed at the step that failed: a batch that
 * is applied is not applied again because its report fails.
 */
export class MessageProcessor {
  readonly #options: MessageProcessorOptions;

  constructor(options: MessageProcessorOptions) {
    this.#options = options;
  }

  /**
   * Decodes the batch of a message, once.
   *
   * @throws MalformedMessageError; RegistryUnavailableError.
   */
  async open(work: MessageWork): Promise<LaneBatch> {
    return (work.batch ??= await this.#options.opener.open(work.message));
  }

  /**
   * Tries a message once. Then it is done, or `dueAt` says when it is tried again.
   *
   * @returns whether a step other than the application of the batch failed.
   * @throws PartitionLostError, ConsumerStoppingError: the message must be left as it is.
   */
  async try(work: MessageWork, chunk: Chunk, slots: Places): Promise<boolean> {
    try {
      await inSpanOf(work.message, async () => {
        const end = work.end ?? (await this.#run(work, chunk, slots));
        if (end === undefined) return;
        work.end = end;
        await this.#conclude(work, end, chunk);
      });
      return false;
    } catch (error) {
      if (isInterruption(error)) throw error;
      await this.#afterFailure(work, error, chunk);
      return true;
    }
  }

  /** Applies the batch once. @returns `undefined` if it needs another try. */
  async #run(work: MessageWork, chunk: Chunk, slots: Places): Promise<WorkEnd | undefined> {
    const { dependencies, endedActions, runner, monotonic } = this.#options;
    const batch = await dependencies.during([], async () => {
      const opened = await this.open(work);
      if (work.isActionChecked) return opened;
      if (await endedActions.isRepetition(reportedBatchOf(opened))) return undefined;
      work.isActionChecked = true;
      return opened;
    });
    if (batch === undefined) return { kind: 'action-ended' };
    const step = await runner.try(batch, chunk, work, slots);
    if (step.kind === 'again') {
      work.dueAt = monotonic() + step.delayMs;
      return undefined;
    }
    work.outages = 0;
    return step;
  }

  /** Takes the last step of a message, after which it is done. It may be repeated after an error. */
  async #conclude(work: MessageWork, end: WorkEnd, chunk: Chunk): Promise<void> {
    const { dependencies } = this.#options;
    // A handler that stalled past its session has lost the partition. The new owner has reported
    // the outcomes, or will report them.
    if (end.kind !== 'action-ended') await chunk.confirmOwnership();
    if (SENDING_ENDS.has(end.kind)) await dependencies.during([KAFKA_PRODUCER], () => this.#send(work, end));
    else this.#drop(work, end);
    work.isDone = true;
  }

  #drop({ batch }: MessageWork, { kind }: WorkEnd): void {
    if (batch === undefined) return;
    const { recorder, log } = this.#options;
    if (kind === 'published-twice' || kind === 'superseded' || kind === 'action-ended')
      recorder.ended(batch.at.lane, kind);
    if (kind !== 'published-twice') return;
    const { at, content, generation } = batch;
    const { batchNo, identity } = content;
    log.info({ ...at, actionId: identity.actionId, batchNo, generation }, 'Second copy of batch dropped');
  }

  async #send(work: MessageWork, end: WorkEnd): Promise<void> {
    const { batch } = work;
    const { recorder, reporter, unprocessable } = this.#options;
    if (end.kind === 'unprocessable') {
      await this.#giveUp(work, end);
    } else if (batch !== undefined && end.kind === 'settled') {
      await reporter.report(reportedBatchOf(batch), batch.message, end.outcomes);
      recorder.ended(batch.at.lane, 'settled');
    } else if (batch !== undefined && (end.kind === 'postponed' || end.kind === 'given-up')) {
      if (end.kind === 'postponed' && (await this.#postpone(batch, end.error))) return;
      await unprocessable.giveUpOpen(batch, end.error, work);
      recorder.ended(batch.at.lane, 'dead-lettered');
    }
  }

  /** @returns `false` if the batch has already waited for too long. */
  async #postpone(batch: LaneBatch, error: unknown): Promise<boolean> {
    const { retryTopics, recorder, log } = this.#options;
    if (!(await retryTopics.postpone(batch, error))) return false;
    const { at, postponed, progress } = batch;
    recorder.ended(at.lane, 'postponed');
    log.warn(
      { ...at, postponed: postponed + 1, attempts: progress.attempts, err: error },
      'Batch postponed to retry topic',
    );
    return true;
  }

  async #giveUp(work: MessageWork, { error, attempts }: Unprocessable): Promise<void> {
    const { opener, unprocessable, recorder } = this.#options;
    const message = opener.laneMessage(work.message);
    const known = await unprocessable.giveUp(message, error, attempts, work);
    if (known !== undefined) recorder.ended(known.batch.identity.lane, known.end);
  }

  /**
   * Decides what becomes of a message after an error that the runner does not see: it cannot be
   * read, or a step after its application failed.
   *
   * @throws only what interrupts the whole chunk.
   */
  async #afterFailure(work: MessageWork, error: unknown, chunk: Chunk): Promise<void> {
    const { log, maxAttempts, backoff, monotonic, recorder } = this.#options;
    const { topic, partition, offset } = work.message;
    const again = (reason: 'dependency' | 'fault', tries: number): void => {
      recorder.retried(reason);
      work.dueAt = monotonic() + backoffDelay(tries, backoff);
    };
    const where = { topic, partition, offset, attempts: work.outages + work.faults + 1 };
    if (isRetryable(error)) {
      work.outages += 1;
      if (work.outages === 1) log.warn({ ...where, err: error }, 'Batch waiting for dependency');
      again('dependency', work.outages);
      return;
    }
    work.faults += 1;
    const isGivenUp = work.end?.kind === 'unprocessable';
    if (isGivenUp || (!(error instanceof MalformedMessageError) && work.faults < maxAttempts)) {
      log.warn({ ...where, err: error }, 'Batch failed; retrying');
      again('fault', work.faults);
      return;
    }
    work.end = { kind: 'unprocessable', error, attempts: where.attempts };
    work.outages = 0;
    try {
      await this.#conclude(work, work.end, chunk);
    } catch (failure) {
      if (isInterruption(failure)) throw failure;
      await this.#afterFailure(work, failure, chunk);
    }
  }
}

/** Runs a try of a message in a span of its own, in the trace of the action. */
function inSpanOf(
  { topic, partition, offset, headers }: ReceivedMessage,
  work: () => Promise<void>,
): Promise<void> {
  const actionId = headerText(headers, HEADERS.actionId);
  const batchNo = headerText(headers, HEADERS.batchNo);
  return withSpan(
    'apply batch',
    {
      kind: 'consumer',
      parent: headerText(headers, TRACEPARENT) ?? null,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
        'messaging.kafka.offset': offset,
        ...(actionId === undefined ? {} : { 'bulk.action_id': actionId }),
        ...(batchNo === undefined ? {} : { 'bulk.batch_no': Number(batchNo) }),
      },
    },
    work,
  );
}

/** The ends whose last step sends something to Kafka. */
const SENDING_ENDS: ReadonlySet<WorkEnd['kind']> = new Set([
  'settled',
  'postponed',
  'given-up',
  'unprocessable',
]);

/** Returns whether an error concerns the consumer and not the message at hand. */
function isInterruption(error: unknown): boolean {
  return error instanceof PartitionLostError || error instanceof ConsumerStoppingError;
}
