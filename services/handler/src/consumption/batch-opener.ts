import {
  decodeEntityBatch,
  generationOf,
  laneOfTopic,
  MalformedMessageError,
  MESSAGES,
  type EntityBatchContent,
  type TopicNames,
} from '@bulk/contracts';
import type { LanePosition, RetryPolicy } from '@bulk/domain';
import type { MessageCodec, ReceivedMessage } from '@bulk/kafka';
import { BatchProgress } from '../application/batch-progress.ts';
import type { LaneBatch } from '../application/lane-batch.ts';
import { decodeRetryHeaders, hasPlace } from '../retry/retry-headers.ts';

export interface BatchOpenerOptions {
  readonly topics: TopicNames;
  readonly codec: Pick<MessageCodec, 'decode'>;
  readonly policyOf: (content: EntityBatchContent) => RetryPolicy;
  /** Returns whether an action type processes a batch as a whole. */
  readonly isWhole: (actionType: string) => boolean;
  /** Returns where the places of a lane's topic start: beyond those of the topics that it replaced. */
  readonly baseOf?: (topic: string) => number;
  readonly now: () => Date;
}

/** Decodes the messages of lanes and retry topics into batches. */
export class BatchOpener {
  readonly #options: BatchOpenerOptions;

  constructor(options: BatchOpenerOptions) {
    this.#options = options;
  }

  /** @throws MalformedMessageError; RegistryUnavailableError. */
  async open(received: ReceivedMessage): Promise<LaneBatch> {
    const { policyOf, isWhole, now } = this.#options;
    const overtaken = this.#hasEarlierPlace(received);
    const waited = overtaken ? decodeRetryHeaders(received) : undefined;
    const message = waited?.message ?? received;
    const content = await this.decode(message);
    return {
      message,
      content,
      at: this.#lanePosition(message),
      generation: generationOf(message.headers),
      policy: policyOf(content),
      isAlone: !isWhole(content.identity.actionType),
      overtaken,
      progress:
        waited === undefined
          ? new BatchProgress()
          : BatchProgress.from(waited.progress, waited.effects, waited.changes),
      firstTriedAt: waited?.firstTriedAt ?? now().getTime(),
      postponed: waited?.postponed ?? 0,
    };
  }

  /** @throws MalformedMessageError; RegistryUnavailableError. */
  async decode({ value }: ReceivedMessage): Promise<EntityBatchContent> {
    return decodeEntityBatch(await this.#options.codec.decode(MESSAGES.entityBatch, value));
  }

  /**
   * Returns the message as it came out of its lane, if it has an earlier place and its headers can be
   * read. Otherwise it returns the message itself.
   */
  laneMessage(received: ReceivedMessage): ReceivedMessage {
    if (!this.#hasEarlierPlace(received)) return received;
    try {
      return decodeRetryHeaders(received).message;
    } catch (error) {
      if (error instanceof MalformedMessageError) return received;
      throw error;
    }
  }

  /**
   * Returns whether a batch had a place in its lane before this message: it comes from a retry topic, or
   * it was in a topic that was lost, and an operator has put it into the new one.
   */
  #hasEarlierPlace({ topic, headers }: ReceivedMessage): boolean {
    return Object.values(this.#options.topics.retries).includes(topic) || hasPlace(headers);
  }

  #lanePosition({ topic, partition, offset }: ReceivedMessage): LanePosition {
    const lane = laneOfTopic(this.#options.topics, topic);
    if (lane === undefined) throw new MalformedMessageError(`${topic} is not the topic of a lane`);
    return { lane, partition, offset: offset + (this.#options.baseOf?.(topic) ?? 0) };
  }
}
