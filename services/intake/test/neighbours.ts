import { consumerGroups, MESSAGES } from '@bulk/contracts';
import { REST_OUTCOMES, success, tally, type Outcome } from '@bulk/domain';
import { counted, type Database } from '@bulk/mongo';
import type { Consumer } from 'kafkajs';
import type { IntakeHarness, PublishedBatch } from './harness.ts';

/**
 * Does with batches what handler and stats-aggregator do: the first copy of each counts, and its
 * log names its source.
 *
 * @param applied the outcome of each position of a batch that is not skipped.
 */
export async function account(
  { actions, actionLogs }: Database,
  batches: readonly PublishedBatch[],
  applied: Outcome = success(),
): Promise<void> {
  for (const [offset, { batch, partition }] of batches.entries()) {
    const { actionId, batchNo, entities } = batch;
    const outcome: Outcome = batch.cancelled ? REST_OUTCOMES[batch.failed ? 'failed' : 'cancelled'] : applied;
    const source = { partition: 0, offset };
    const { codes, ...counts } = tally(entities.map(() => outcome));
    const { upsertedCount } = await actionLogs.updateOne(
      { _id: `${actionId}:${batchNo}` },
      {
        $setOnInsert: {
          actionId,
          batchNo,
          partition,
          firstPosition: entities[0]!.position,
          lastPosition: entities.at(-1)!.position,
          counts,
          outcomes: entities.map(({ position, id }) => ({
            position,
            entityId: id,
            ref: null,
            ...outcome,
            attempts: 1,
          })),
          source,
          at: new Date(),
        },
      },
      { upsert: true },
    );
    if (upsertedCount === 0) continue;
    await actions.updateOne(
      { _id: actionId },
      counted({ tally: { ...counts, codes }, batches: 1, upTo: source }, [batchNo], new Date()),
    );
  }
}

/** Consumes lane normal as the group of the handlers does, and accounts for each batch at once. */
export class Handlers {
  readonly #consumer: Consumer;

  private constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  static async start({ installation, codec, database }: IntakeHarness): Promise<Handlers> {
    const groupId = consumerGroups(installation.env['TOPIC_PREFIX']).handler.normal;
    const consumer = installation.kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topics: [installation.topics.entityBatches.normal], fromBeginning: true });
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: async ({ partition, message }) => {
        const batch = await codec.decode(MESSAGES.entityBatch, message.value);
        await account(database, [{ partition, offset: Number(message.offset), batch }]);
      },
    });
    return new Handlers(consumer);
  }

  stop(): Promise<void> {
    return this.#consumer.disconnect();
  }
}
