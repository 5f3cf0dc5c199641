import { HEADERS, headerText, MESSAGES, type TopicNames } from '@bulk/contracts';
import { CodedError, isRetryable } from '@bulk/domain';
import {
  type Chunk,
  type DeadLetters,
  type FailureDisposition,
  type MessageCodec,
  type MessageProducer,
  type ReceivedMessage,
} from '@bulk/kafka';
import { progressEventOf } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import { beginSpan, TRACEPARENT, type OpenSpan } from '@bulk/telemetry';
import type { Accountant } from '../accounting/accountant.ts';
import { toBatchLog, type BatchLog } from '../accounting/batch-log.ts';
import type { DeadResults } from './dead-results.ts';

export interface ResultConsumerOptions {
  readonly topics: TopicNames;
  readonly codec: MessageCodec;
  readonly accountant: Accountant;
  readonly producer: MessageProducer;
  readonly deadLetters: DeadLetters;
  readonly deadResults: DeadResults;
  /**
   * Maximum number of tries of a message that fails for a reason that is not known to be transient.
   */
  readonly maxAttempts: number;
  readonly log: Logger;
}

/**
 * Processes chunks of results: logs, counts, progress events. The offset is committed after that.
 *
 * A crash anywhere leads to a redelivery, which changes no count and publishes the state again, so
 * that the last event is never lost.
 */
export class ResultConsumer {
  readonly #options: ResultConsumerOptions;
  /** Messages that are dead-lettered. A chunk that is tried again brings the same messages. */
  readonly #buried = new WeakMap<ReceivedMessage, Buried>();

  constructor(options: ResultConsumerOptions) {
    this.#options = options;
  }

  async process(chunk: Chunk): Promise<void> {
    let alive: ReceivedMessage[] = [];
    // Messages are processed in order of offset, because a count at a later offset settles the
    // earlier ones.
    for (const message of chunk.messages) {
      const buried = this.#buried.get(message);
      if (buried === undefined) {
        alive.push(message);
        continue;
      }
      await this.#count(chunk.partition, alive);
      await this.#settleBuried(message, buried);
      alive = [];
    }
    await this.#count(chunk.partition, alive);
  }

  async #count(partition: number, messages: readonly ReceivedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const startTime = Date.now();
    const logs = await Promise.all(messages.map((message) => this.#decode(message)));
    const spans = new Map<string, OpenSpan>();
    for (const [i, { actionId }] of logs.entries()) {
      if (!spans.has(actionId)) spans.set(actionId, beginCounting(actionId, messages[i], startTime));
    }
    try {
      await this.#account(partition, logs, spans);
    } catch (error) {
      for (const span of spans.values()) span.end(error);
      throw error;
    }
    for (const span of spans.values()) span.end();
  }

  /**
   * Retries transient failures. Otherwise it splits the chunk, and dead-letters only a message that
   * fails alone (G6).
   */
  async onFailure(error: unknown, chunk: Chunk): Promise<FailureDisposition> {
    const { log, maxAttempts } = this.#options;
    const attempts = chunk.previousAttempts + 1;
    const { topic, partition } = chunk;
    const where = { topic, partition, offset: chunk.messages[0]?.offset, attempts };
    try {
      if (isRetryable(error)) throw error;
      if (!isPermanent(error) && attempts < maxAttempts) {
        log.warn({ ...where, err: error }, 'results failed and are tried again');
        return 'retry';
      }
      await this.#takeApart(chunk, attempts);
      return 'skip';
    } catch (transient) {
      if (!isRetryable(transient)) throw transient;
      if (attempts === 1) log.warn({ ...where, err: transient }, 'results wait for a dependency');
      return 'retry';
    }
  }

  /**
   * Splits the chunk in halves until a single message fails. Few bad messages cost few rounds.
   * Keeps the order of offsets.
   */
  async #takeApart(chunk: Chunk, attempts: number): Promise<void> {
    const { messages } = chunk;
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) {
      await this.#processAlone(only, attempts);
      return;
    }
    const middle = Math.ceil(messages.length / 2);
    for (const half of [messages.slice(0, middle), messages.slice(middle)]) {
      await chunk.heartbeat();
      const part = { ...chunk, messages: half };
      try {
        await this.process(part);
      } catch (error) {
        if (isRetryable(error)) throw error;
        await this.#takeApart(part, attempts);
      }
    }
  }

  async #processAlone(message: ReceivedMessage, attempts: number): Promise<void> {
    const buried = this.#buried.get(message);
    if (buried !== undefined) {
      await this.#settleBuried(message, buried);
      return;
    }
    let log: BatchLog | undefined;
    try {
      log = await this.#decode(message);
      await this.#account(message.partition, [log]);
    } catch (error) {
      if (isRetryable(error)) throw error;
      this.#options.log.error(
        { ...placeOf(message), err: error },
        'a result is given up: see the dead letters',
      );
      // A crash after the dead letter writes a second one. In the other order the message could be
      // lost.
      await this.#options.deadLetters.bury({ message, error, attempts });
      this.#buried.set(message, { log, attempts });
      await this.#settleBuried(message, { log, attempts });
    }
  }

  /**
   * Makes the known positions of a dead-lettered result fail in its place, so that its action
   * completes. Idempotent.
   *
   * @throws only transient errors, because a permanent refusal must not stop the partition.
   */
  async #settleBuried(message: ReceivedMessage, { log, attempts }: Buried): Promise<void> {
    const { accountant, deadResults } = this.#options;
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
      await this.#account(message.partition, [dead]);
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

  /** @param spans actionId → the span that its progress event names. */
  async #account(
    partition: number,
    logs: readonly BatchLog[],
    spans: ReadonlyMap<string, OpenSpan> = new Map(),
  ): Promise<void> {
    const actions = await this.#options.accountant.account(partition, logs);
    await this.#options.producer.send(
      this.#options.topics.progress,
      actions.map((action) => ({
        key: action._id,
        value: progressEventOf(action),
        headers: { [HEADERS.accountId]: action.accountId, ...traced(spans.get(action._id)) },
      })),
    );
  }

  async #decode(message: ReceivedMessage): Promise<BatchLog> {
    const result = await this.#options.codec.decode(MESSAGES.batchResult, message.value);
    return toBatchLog(result, { partition: message.partition, offset: message.offset });
  }
}

/** A dead-lettered message whose positions may not have their outcomes yet. */
interface Buried {
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

/** Starts the span of an action. A chunk has results of many actions, each in its own trace. */
function beginCounting(actionId: string, message: ReceivedMessage | undefined, startTime: number): OpenSpan {
  const parent = headerText(message?.headers ?? {}, TRACEPARENT) ?? null;
  const attributes = { 'messaging.system': 'kafka', 'bulk.action_id': actionId };
  return beginSpan('count results', { kind: 'consumer', parent, attributes, startTime });
}

function traced(span: OpenSpan | undefined): Record<string, string> {
  return span?.traceparent === undefined ? {} : { [TRACEPARENT]: span.traceparent };
}

/** Codes of faults in the message itself. A further try of the whole chunk cannot help. */
const PERMANENT = new Set(['MALFORMED_MESSAGE', 'ACTION_NOT_FOUND']);

function isPermanent(error: unknown): boolean {
  return error instanceof CodedError && PERMANENT.has(error.code);
}
