import { batchNameOf, generationOf, MalformedMessageError } from '@bulk/contracts';
import { deadLetteredOutcomes, tally } from '@bulk/domain';
import type { ReceivedMessage } from '@bulk/kafka';
import { findNamedBatch, type Database } from '@bulk/mongo';
import type { BatchLog } from '../accounting/batch-log.ts';
import { placeIn } from './counted-results.ts';

/** Builds the log of a batch whose result is given up. */
export class DeadResults {
  readonly #database: Database;
  readonly #now: () => Date;

  readonly #baseOf: () => number;

  /** @param baseOf returns where the places of the results start. */
  constructor(database: Database, now: () => Date, baseOf: () => number = () => 0) {
    this.#database = database;
    this.#now = now;
    this.#baseOf = baseOf;
  }

  /**
   * Builds the log of the staged batch that the message's header `result-id` names.
   *
   * Each position is a failure. The log has the message's place and generation, so that it is
   * recognised as the message itself would be.
   *
   * @returns `undefined` if the header or the batch is missing, so that the positions are unknown.
   * @throws StoreError.
   */
  async logOf(message: ReceivedMessage, attempts: number): Promise<BatchLog | undefined> {
    const name = batchNameOf(message.headers);
    const batch = name === undefined ? undefined : await findNamedBatch(this.#database, name);
    if (batch === undefined) return undefined;
    const outcomes = deadLetteredOutcomes(batch.entities, 'result', attempts);
    return {
      actionId: batch.identity.actionId,
      batchNo: batch.batchNo,
      generation: generationIn(message),
      lanePartition: batch.partition,
      outcomes,
      tally: tally(outcomes.map(({ outcome }) => outcome)),
      source: { partition: message.partition, offset: placeIn(message, this.#baseOf()) },
      at: this.#now(),
    };
  }
}

function generationIn({ headers }: ReceivedMessage): number {
  try {
    return generationOf(headers);
  } catch (error) {
    if (error instanceof MalformedMessageError) return 0;
    throw error;
  }
}
