import {
  encodeBatchResult,
  entityBatchEncoder,
  HEADERS,
  type BatchResult,
  type EntityBatchContent,
} from '@bulk/contracts';
import { UNKNOWN_OUTCOME, type StopCause } from '@bulk/domain';
import { encodePlaceHeaders } from '@bulk/handler/retry-headers';
import { MessageProducer } from '@bulk/kafka';
import { stopCauseOf, type ActionDocument } from '@bulk/mongo';
import { UNKNOWN_PLACE } from '@bulk/redis';
import { silentLogger } from '@bulk/runtime';
import type { Findings, LostBatch, SeenBatch } from './lost-batches.ts';
import type { NewTopics } from './new-topics.ts';

/** Publishes on new topics what was lost with the old ones. */
export class LostBatchPublisher {
  readonly #found: NewTopics;
  readonly #producer: MessageProducer;
  readonly #base: number;

  private constructor(found: NewTopics, producer: MessageProducer, base: number) {
    this.#found = found;
    this.#producer = producer;
    this.#base = base;
  }

  /** @param base where the places of the new topics start. @throws KafkaUnavailableError. */
  static async connect(found: NewTopics, base: number): Promise<LostBatchPublisher> {
    const producer = await MessageProducer.connect(found.kafka, found.codec, silentLogger());
    return new LostBatchPublisher(found, producer, base);
  }

  /**
   * Publishes unknown outcomes, then the batches that handler had seen in the order in which the lanes had them, and then
   * those that it had not seen. A second run publishes all of them again: handler and stats-aggregator recognise them.
   *
   * @throws ProduceError.
   */
  async publish(findings: readonly Findings[]): Promise<void> {
    for (const { unknown } of findings) for (const batch of unknown) await this.#reportUnknown(batch);
    const seen = findings.flatMap(({ again }) => again).sort((a, b) => a.place - b.place);
    for (const batch of seen) await this.#repeat(batch);
    for (const { unseen } of findings) for (const batch of unseen) await this.#publish(batch);
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }

  async #reportUnknown({ action, batch }: LostBatch): Promise<void> {
    const { topics } = this.#found;
    const { batchNo, partition, entities } = batch;
    const outcomes = entities.map(({ position, id, ref }) => ({
      position,
      entityId: id,
      ref,
      outcome: UNKNOWN_OUTCOME,
      attempts: 1,
    }));
    const source = { topic: topics.entityBatches[action.lane], partition, offset: UNKNOWN_PLACE };
    const named = { identity: identityOf(action), batchNo };
    const value: BatchResult = encodeBatchResult(named, source, outcomes, new Date());
    const headers = {
      [HEADERS.resultId]: value.resultId,
      [HEADERS.accountId]: value.accountId,
      [HEADERS.generation]: String(value.generation),
    };
    await this.#producer.send(topics.results, [{ key: action._id, value, headers }]);
  }

  /** Puts a batch into its lane, to be applied at its old place, which lies before the first message of the topic. */
  async #repeat({ action, batch, place }: SeenBatch): Promise<void> {
    const { codec, topics } = this.#found;
    const topic = topics.entityBatches[action.lane];
    const key = Buffer.from(action._id);
    const value = await codec.encode(topic, contentOf(action, batch, undefined));
    const { partition } = batch;
    const message = { topic, partition, offset: place - this.#base, key, value, headers: headersOf(batch) };
    const headers = encodePlaceHeaders(message, Date.now());
    await this.#producer.forward(topic, [{ key, value, partition, headers }]);
  }

  async #publish({ action, batch }: LostBatch): Promise<void> {
    const value = contentOf(action, batch, stopCauseOf(action));
    await this.#producer.send(this.#found.topics.entityBatches[action.lane], [
      { key: action._id, value, partition: batch.partition, headers: headersOf(batch) },
    ]);
  }
}

function identityOf({
  _id: actionId,
  accountId,
  actionType,
  entityType,
  lane,
}: ActionDocument): EntityBatchContent['identity'] {
  return { actionId, accountId, actionType, entityType, lane };
}

function contentOf(action: ActionDocument, batch: LostBatch['batch'], stopCause: StopCause | undefined) {
  const { config, dryRun, retry = null, rootActionId = null, changes = 'none' } = action;
  const skip = { cancelled: stopCause !== undefined, failed: stopCause === 'failed' };
  return entityBatchEncoder(identityOf(action), config, { dryRun, ...skip, retry, rootActionId, changes })(
    batch,
  );
}

function headersOf({ actionId, batchNo }: LostBatch['batch']): Record<string, string> {
  return { [HEADERS.actionId]: actionId, [HEADERS.batchNo]: String(batchNo) };
}
