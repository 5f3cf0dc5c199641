import { HEADERS, MESSAGES, resultIdOf, topicNamed, type TopicNames } from '@bulk/contracts';
import { CodedError, OUTCOME_CODES } from '@bulk/domain';
import type { Kafka, MessageCodec } from '@bulk/kafka';
import { stored, type Database } from '@bulk/mongo';
import { originalHeaders, type Letter } from './letter.ts';
import type { MarkDocument, Marks } from './marks.ts';

/** Thrown when a dead letter can never be replayed. */
export class NotReplayableError extends CodedError {
  constructor(id: string, reason: string) {
    super('NOT_REPLAYABLE', `dead letter ${id}: ${reason}`);
  }
}

/** Thrown when a dead letter was already replayed or dropped. */
export class AlreadyMarkedError extends CodedError {
  constructor(id: string, { state, at }: MarkDocument) {
    super(
      'ALREADY_MARKED',
      `dead letter ${id} was ${state} at ${at.toISOString()}; --again replays it again`,
    );
  }
}

export interface Replayed {
  readonly id: string;
  readonly generation: number;
  readonly topic: string;
}

interface Outgoing {
  readonly value: Buffer | null;
  readonly partition?: number;
}

export interface ReplayerOptions {
  readonly kafka: Kafka;
  readonly codec: MessageCodec;
  readonly topics: TopicNames;
  readonly database: Database;
  readonly marks: Marks;
  readonly now: () => Date;
}

/**
 * Sends the message of a dead letter again to its original topic, as the next generation of its
 * batch.
 *
 * The generation is recorded before the message is sent. A replay that was broken off is repeated
 * with the same generation, so that a message which may have been sent twice is applied and counted
 * once. For the same reason two dead letters of the same message, as a crash can leave them, become
 * the same generation.
 */
export class Replayer {
  readonly #options: ReplayerOptions;

  constructor(options: ReplayerOptions) {
    this.#options = options;
  }

  /**
   * @param again includes what was replayed or dropped: as a further generation, which is applied
   * once more.
   * @throws AlreadyMarkedError, NotReplayableError, StoreError; the error of kafkajs if Kafka did
   * not confirm: replay it again.
   */
  async replay(letter: Letter, mark: MarkDocument | undefined, again: boolean): Promise<Replayed> {
    const { marks, now } = this.#options;
    if (mark !== undefined && mark.state !== 'replaying' && !again) {
      throw new AlreadyMarkedError(letter.id, mark);
    }
    const generation = await this.#generation(letter, mark);
    const outgoing = await this.#outgoing(letter, generation);
    await marks.set(letter, 'replaying', generation, now());
    await this.#send(letter, outgoing, generation);
    await marks.set(letter, 'replayed', generation, now());
    return { id: letter.id, generation, topic: letter.content.topic };
  }

  async #generation(letter: Letter, mark: MarkDocument | undefined): Promise<number> {
    if (mark?.state === 'replaying' && mark.generation !== null) return mark.generation;
    if (mark === undefined) return letter.generation + 1;
    // A further generation, above all that its batch has had.
    const { actionId, batchNo } = letter;
    const log =
      actionId === null || batchNo === null
        ? null
        : await stored(this.#options.database.actionLogs.findOne({ _id: resultIdOf(actionId, batchNo) }));
    return Math.max(letter.generation, mark.generation ?? 0, log?.generation ?? 0) + 1;
  }

  async #outgoing(letter: Letter, generation: number): Promise<Outgoing> {
    const { topics } = this.#options;
    const { topic, partition, value } = letter.content;
    switch (topicNamed(topics, topic)?.replay ?? 'never') {
      case 'as-it-came':
        return { value, partition };
      case 'as-next-generation':
        return { value: await this.#nextResult(letter, generation) };
      case 'never':
        throw new NotReplayableError(
          letter.id,
          `it came from ${topic}, which is no topic of this installation's work`,
        );
    }
  }

  /** Encodes the message with its new generation. A result contains its generation itself. */
  async #nextResult(letter: Letter, generation: number): Promise<Buffer> {
    const { codec, topics } = this.#options;
    const result = await codec.decode(MESSAGES.batchResult, letter.content.value).catch((cause: unknown) => {
      if (cause instanceof CodedError && cause.retryable) throw cause;
      throw new NotReplayableError(
        letter.id,
        'a result that cannot be decoded cannot get another generation; its positions can be retried: POST /bulk-actions/:id/retry',
      );
    });
    if (result.outcomes.every(({ code }) => code === OUTCOME_CODES.DEAD_LETTERED)) {
      throw new NotReplayableError(letter.id, 'its batch is a dead letter too: replay that dead letter');
    }
    return codec.encode(topics.results, { ...result, generation });
  }

  async #send(letter: Letter, { value, partition }: Outgoing, generation: number): Promise<void> {
    const { topic, key } = letter.content;
    // The bytes are sent as they are. MessageProducer would encode them.
    const producer = this.#options.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    });
    await producer.connect();
    try {
      const headers = { ...originalHeaders(letter), [HEADERS.generation]: String(generation) };
      const message = { key, value, headers, ...(partition === undefined ? {} : { partition }) };
      await producer.send({ topic, acks: -1, messages: [message] });
    } finally {
      await producer.disconnect();
    }
  }
}
