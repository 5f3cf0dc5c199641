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

/** A batch that is given up, as far as is needed to say what becomes of its positions. */
export interface DeadBatch extends Pick<EntityBatchContent, 'identity' | 'batchNo'> {
  readonly entities: readonly EntityName[];
  readonly generation: number;
}

/** Tells whose message it is that is given up: by what it says, or where it cannot be read by its headers and what was staged. */
export class DeadBatches {
  readonly #topics: TopicNames;
  readonly #database: Database;

  constructor(topics: TopicNames, database: Database) {
    this.#topics = topics;
    this.#database = database;
  }

  /**
   * @returns undefined where nothing tells, or what is staged does not belong in this place.
   * @throws StoreError, and what `decode` throws but MalformedMessageError.
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

/** A generation that cannot be read may be what the message is given up for. */
function readableGeneration({ headers }: ReceivedMessage): number {
  try {
    return generationOf(headers);
  } catch (error) {
    if (error instanceof MalformedMessageError) return 0;
    throw error;
  }
}
