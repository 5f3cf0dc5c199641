import type { Kafka } from 'kafkajs';
import { KafkaUnavailableError } from '../client/errors.ts';
import { rawCluster, type RawCluster } from './raw-cluster.ts';
import { describeTopics } from './topic-descriptions.ts';

/**
 * Topic name → topic id. A topic that is deleted and created again gets another id; its name and offsets do not show
 * that.
 */
export type TopicIdsByName = ReadonlyMap<string, string>;

/** Asks the cluster for topic ids, on a connection that it keeps open. */
export class TopicIds {
  readonly #kafka: Kafka;
  #cluster: RawCluster | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /**
   * Returns the id of each topic, or an empty map if the cluster has no topic ids.
   *
   * @throws KafkaUnavailableError if no broker answers, or one of the topics does not exist.
   */
  async of(topics: readonly string[]): Promise<TopicIdsByName> {
    try {
      this.#cluster ??= rawCluster(this.#kafka);
      await this.#cluster.connect();
      const broker = await this.#cluster.brokerPool.findConnectedBroker();
      const found = (await describeTopics(broker, topics)) ?? new Map<string, never>();
      const ids = new Map<string, string>();
      for (const [topic, { error, id }] of found) {
        if (error !== undefined) throw error;
        if (id !== undefined) ids.set(topic, id);
      }
      return ids;
    } catch (error) {
      await this.close();
      throw new KafkaUnavailableError(error);
    }
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    // A broken connection may fail to close.
    await cluster?.disconnect().catch(() => undefined);
  }
}
