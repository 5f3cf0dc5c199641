import { HEADERS, headerText, MESSAGES, type TopicNames } from '@bulk/contracts';
import type { MessageCodec, MessageProducer, ReceivedMessage } from '@bulk/kafka';
import { progressEventOf } from '@bulk/mongo';
import { beginSpan, TRACEPARENT, type OpenSpan } from '@bulk/runtime/telemetry';
import type { Accountant } from '../accounting/accountant.ts';
import { toBatchLog, type BatchLog } from '../accounting/batch-log.ts';

export interface CountedResultsOptions {
  readonly topics: TopicNames;
  readonly codec: Pick<MessageCodec, 'decode'>;
  readonly accountant: Accountant;
  readonly producer: MessageProducer;
  /** Where the places of the results start: beyond those of the topic that this one replaced. @default 0 */
  readonly baseOf?: () => number;
}

/**
 * Counts results and publishes the states of their actions.
 *
 * A crash anywhere leads to a redelivery, which changes no count and publishes the state again, so
 * that the last event is never lost.
 */
export class CountedResults {
  readonly #options: CountedResultsOptions;

  constructor(options: CountedResultsOptions) {
    this.#options = options;
  }

  /** Decodes and counts messages of one partition, in order of offset. @throws the errors of `decode` and `account`. */
  async count(partition: number, messages: readonly ReceivedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const startTime = Date.now();
    const logs = await Promise.all(messages.map((message) => this.decode(message)));
    const spans = new Map<string, OpenSpan>();
    for (const [i, { actionId }] of logs.entries()) {
      if (!spans.has(actionId)) spans.set(actionId, beginCounting(actionId, messages[i], startTime));
    }
    try {
      await this.account(partition, logs, spans);
    } catch (error) {
      for (const span of spans.values()) span.end(error);
      throw error;
    }
    for (const span of spans.values()) span.end();
  }

  /**
   * Counts results of one partition and publishes the states of their actions.
   *
   * @param spans actionId → the span that its progress event names.
   * @throws the errors of `Accountant.account`; ProduceError.
   */
  async account(
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

  /** Decodes and checks a result. @throws MalformedMessageError or RegistryUnavailableError. */
  async decode(message: ReceivedMessage): Promise<BatchLog> {
    const result = await this.#options.codec.decode(MESSAGES.batchResult, message.value);
    return toBatchLog(result, {
      partition: message.partition,
      offset: placeIn(message, this.#options.baseOf?.()),
    });
  }
}

/** Returns the place of a result: its offset, counted on from the topics that its topic has replaced. */
export function placeIn({ offset }: Pick<ReceivedMessage, 'offset'>, base = 0): number {
  return base + offset;
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
