import {
  batchNameOf,
  generationOf,
  laneOfTopic,
  MalformedMessageError,
  type EntityBatchContent,
  type TopicNames,
} from '@bulk/contracts';
import type { ReceivedMessage } from '@bulk/kafka';
import type { EntityName } from '@bulk/domain';
import { findNamedBatch, type Database } from '@bulk/mongo';

/** A batch that is given up, with what is needed to report its positions. */
export interface DeadBatch extends Pick<EntityBatchContent, 'identity' | 'batchNo'> {
  readonly entities: readonly EntityName[];
  readonly generation: number;
}

/**
 * Identifies the batch of a message that is given up.
 *
 * It reads the message or, if the message cannot be read, its headers and the staged batch.
 */
export class DeadBatches {
  readonly #topics: TopicNames;
  readonly #database: Database;

  constructor(topics: TopicNames, database: Database) {
    this.#topics = topics;
    this.#database = database;
  }

  /**
   * Identifies the batch of a message.
   *
   * @returns `undefined` if the batch is unknown, or the staged batch does not belong to this lane
   * and partition.
   * @throws StoreError, and what `decode` throws except MalformedMessageError.
   */
  async identify(
    message: ReceivedMessage,
    decode: (message: ReceivedMessage) => Promise<EntityBatchContent>,
  ): Promise<DeadBatch | undefined> {
    const generation = readableGeneration(message);
    try {
      return { ...(await decode(message)), generation };
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
    }
    const name = batchNameOf(message.headers);
    const batch = name === undefined ? undefined : await findNamedBatch(this.#database, name);
    const isHere =
      batch?.partition === message.partition &&
      batch.identity.lane === laneOfTopic(this.#topics, message.topic);
    return batch !== undefined && isHere ? { ...batch, generation } : undefined;
  }
}

/** Returns the generation, or 0 if it cannot be read: that may be why the message is given up. */
function readableGeneration({ headers }: ReceivedMessage): number {
  try {
    return generationOf(headers);
  } catch (error) {
    if (error instanceof MalformedMessageError) return 0;
    throw error;
  }
}
