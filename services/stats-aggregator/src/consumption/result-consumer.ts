import { CodedError, firstWithin, isRetryable } from '@bulk/domain';
import { DONE, type Chunk, type DeadLetters, type Disposition, type ReceivedMessage } from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import type { Accountant } from '../accounting/accountant.ts';
import type { BatchLog } from '../accounting/batch-log.ts';
import type { CountedResults } from './counted-results.ts';
import type { DeadResults } from './dead-results.ts';

export interface ResultConsumerOptions {
  readonly results: CountedResults;
  readonly accountant: Accountant;
  readonly deadLetters: DeadLetters;
  readonly deadResults: DeadResults;
  /**
   * Maximum number of tries of a message that fails for a reason that is not known to be transient.
   */
  readonly maxAttempts: number;
  /** Maximum number of bytes that are decoded and counted together; a single result may exceed it. */
  readonly maxBytes: number;
  readonly log: Logger;
}

/**
 * Processes chunks of results: logs, counts, progress events. The offset is committed after that.
 *
 * A failed chunk is tried again by the consumer. This class decides when it is taken apart instead,
 * so that a message that always fails stops no partition.
 */
export class ResultConsumer {
  readonly #options: ResultConsumerOptions;
  /** Messages that are dead-lettered. A chunk that is tried again brings the same messages. */
  readonly #deadLettered = new WeakMap<ReceivedMessage, DeadLettered>();
  /** Number of failed tries of a chunk with the message. */
  readonly #failures = new WeakMap<ReceivedMessage, number>();

  constructor(options: ResultConsumerOptions) {
    this.#options = options;
  }

  /**
   * Accounts for a chunk and publishes the states of its actions.
   *
   * Retries transient failures. Otherwise it splits the chunk, and dead-letters only a message that
   * fails alone (G6).
   *
   * @throws the error after which the consumer tries the chunk again.
   */
  async process(chunk: Chunk): Promise<Disposition> {
    const max = this.#options.maxBytes;
    const messages = firstWithin(chunk.messages, [{ sizeOf: ({ value }) => value?.length ?? 0, max }]);
    try {
      await this.#processAll(chunk.partition, messages);
    } catch (error) {
      await this.#recover(error, { ...chunk, messages });
    }
    for (const message of messages) this.#failures.delete(message);
    return messages.length === chunk.messages.length
      ? DONE
      : { kind: 'retry', done: messages.length, afterMs: 0 };
  }

  async #processAll(partition: number, messages: readonly ReceivedMessage[]): Promise<void> {
    let alive: ReceivedMessage[] = [];
    // Messages are processed in order of offset, because a count at a later offset settles the
    // earlier ones.
    for (const message of messages) {
      const deadLettered = this.#deadLettered.get(message);
      if (deadLettered === undefined) {
        alive.push(message);
        continue;
      }
      await this.#options.results.count(partition, alive);
      await this.#settleDeadLettered(message, deadLettered);
      alive = [];
    }
    await this.#options.results.count(partition, alive);
  }

  /** @throws unless every message of the chunk is counted or dead-lettered. */
  async #recover(error: unknown, chunk: Chunk): Promise<void> {
    const { log, maxAttempts } = this.#options;
    const { topic, partition, messages } = chunk;
    const failures = messages.map((message) => this.#failed(message));
    // The first message is in the chunk for the longest time: further ones may have joined it.
    const attempts = failures[0] ?? 1;
    const where = { topic, partition, offset: messages[0]?.offset, attempts };
    try {
      if (isRetryable(error)) throw error;
      if (!isPermanent(error) && attempts < maxAttempts) {
        log.warn({ ...where, err: error }, 'Results failed; retrying');
        throw error;
      }
      await this.#takeApart(chunk);
    } catch (failure) {
      if (isRetryable(failure) && attempts === 1) {
        log.warn({ ...where, err: failure }, 'Results waiting for dependency');
      }
      throw failure;
    }
  }

  /** Returns the number of failed tries of a message, this one included. */
  #failed(message: ReceivedMessage): number {
    const failures = (this.#failures.get(message) ?? 0) + 1;
    this.#failures.set(message, failures);
    return failures;
  }

  /**
   * Splits the chunk in halves until a single message fails. Few bad messages cost few rounds.
   * Keeps the order of offsets.
   */
  async #takeApart(chunk: Chunk): Promise<void> {
    const { messages } = chunk;
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) {
      await this.#processAlone(only);
      return;
    }
    const middle = Math.ceil(messages.length / 2);
    for (const half of [messages.slice(0, middle), messages.slice(middle)]) {
      await chunk.heartbeat();
      try {
        await this.#processAll(chunk.partition, half);
      } catch (error) {
        if (isRetryable(error)) throw error;
        await this.#takeApart({ ...chunk, messages: half });
      }
    }
  }

  async #processAlone(message: ReceivedMessage): Promise<void> {
    const { results, deadLetters, maxAttempts, log: logger } = this.#options;
    const deadLettered = this.#deadLettered.get(message);
    if (deadLettered !== undefined) {
      await this.#settleDeadLettered(message, deadLettered);
      return;
    }
    const attempts = this.#failures.get(message) ?? 1;
    let log: BatchLog | undefined;
    try {
      log = await results.decode(message);
      await results.account(message.partition, [log]);
    } catch (error) {
      const isLast = isPermanent(error) || attempts >= maxAttempts;
      if (isRetryable(error) || !isLast) throw error;
      logger.error({ ...placeOf(message), err: error }, 'Result dead-lettered');
      // A crash after the dead letter writes a second one. In the other order the message could be
      // lost.
      await deadLetters.add({ message, error, attempts });
      this.#deadLettered.set(message, { log, attempts });
      await this.#settleDeadLettered(message, { log, attempts });
    }
  }

  /**
   * Makes the known positions of a dead-lettered result fail in its place, so that its action
   * completes. Idempotent.
   *
   * @throws only transient errors, because a permanent refusal must not stop the partition.
   */
  async #settleDeadLettered(message: ReceivedMessage, { log, attempts }: DeadLettered): Promise<void> {
    const { results, accountant, deadResults } = this.#options;
    const where = placeOf(message);
    let dead: BatchLog | undefined;
    try {
      if (log !== undefined) await accountant.giveUp(log);
      dead = await deadResults.logOf(message, attempts);
      if (dead === undefined) {
        this.#options.log.error(
          where,
          'Positions of a dead-lettered batch are unknown; its action will not complete',
        );
        return;
      }
      await results.account(message.partition, [dead]);
    } catch (refusal) {
      if (isRetryable(refusal)) throw refusal;
      this.#options.log.error({ ...where, err: refusal }, 'Positions of a dead letter get no outcome');
      if (dead !== undefined) await this.#forget(dead);
    }
  }

  /** Removes the log of what cannot be counted. @throws only transient errors. */
  async #forget(dead: BatchLog): Promise<void> {
    try {
      await this.#options.accountant.giveUp(dead);
    } catch (refusal) {
      if (isRetryable(refusal)) throw refusal;
      this.#options.log.error({ err: refusal }, 'Log of a dead letter not removed');
    }
  }
}

/** A dead-lettered message whose positions may not have their outcomes yet. */
interface DeadLettered {
  /** The content of the message, if it could be read. */
  readonly log: BatchLog | undefined;
  readonly attempts: number;
}

function placeOf({ topic, partition, offset }: ReceivedMessage): {
  topic: string;
  partition: number;
  offset: number;
} {
  return { topic, partition, offset };
}

/** Codes of faults in the message itself. A further try of the whole chunk cannot help. */
const PERMANENT = new Set(['MALFORMED_MESSAGE', 'ACTION_NOT_FOUND']);

function isPermanent(error: unknown): boolean {
  return error instanceof CodedError && PERMANENT.has(error.code);
}
