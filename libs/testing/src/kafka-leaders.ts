import type { Admin, Kafka, PartitionMetadata } from 'kafkajs';
import { eventually, type EventuallyOptions } from './eventually.ts';

interface Placed extends PartitionMetadata {
  readonly topic: string;
}

/** A partition that will have another leader. */
export interface MovedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Broker that led it before. */
  readonly leader: number;
  /** Brokers with a replica of it; the first one will lead. */
  readonly replicas: readonly number[];
}

/** A restarted broker fetches what it missed, and brokers check only every few seconds which leaders to give back. */
const PATIENCE: EventuallyOptions = { timeoutMs: 120_000, everyMs: 200 };

/** Moves the leaders of topics in a cluster of several brokers, for tests. */
export class KafkaLeaders {
  readonly #admin: Admin;
  readonly #topics: readonly string[];

  private constructor(admin: Admin, topics: readonly string[]) {
    this.#admin = admin;
    this.#topics = topics;
  }

  static async of(kafka: Kafka, topics: readonly string[]): Promise<KafkaLeaders> {
    const admin = kafka.admin();
    await admin.connect();
    return new KafkaLeaders(admin, topics);
  }

  /** Waits until every replica is in sync, as an operator does before restarting the next broker. */
  async untilInSync(): Promise<void> {
    await eventually(
      'all replicas are in sync',
      async () => (await this.#partitions()).every(({ isr, replicas }) => isr.length === replicas.length),
      PATIENCE,
    );
  }

  /**
   * Moves each partition to the next of its replicas, and waits until they all lead.
   *
   * @returns the number of partitions that have another leader than before.
   */
  async move(): Promise<number> {
    const next = await this.beginMove();
    await eventually(
      'the first replicas lead',
      async () =>
        (await this.#partitions()).every(({ topic, partitionId, leader }) =>
          next.some(
            (each) => each.topic === topic && each.partition === partitionId && each.replicas[0] === leader,
          ),
        ),
      PATIENCE,
    );
    return next.filter(({ replicas, leader }) => replicas[0] !== leader).length;
  }

  /**
   * Makes brokers move each partition to the next of its replicas, and does not wait. They do so within seconds, while
   * that replica is in sync.
   *
   * @returns the partitions, with their former leaders and their replicas in the new order.
   */
  async beginMove(): Promise<readonly MovedPartition[]> {
    const before = await eventually('metadata', () => this.#partitions(), PATIENCE);
    const next = before.map(({ topic, partitionId, replicas, leader }) => {
      const at = replicas.indexOf(leader) + 1;
      return {
        topic,
        partition: partitionId,
        leader,
        replicas: [...replicas.slice(at), ...replicas.slice(0, at)],
      };
    });
    await eventually(
      'the order of the replicas is changed',
      async () => {
        await this.#admin.alterPartitionReassignments({
          topics: this.#topics.map((topic) => ({
            topic,
            partitionAssignment: next
              .filter((each) => each.topic === topic)
              .map(({ partition, replicas }) => ({ partition, replicas })),
          })),
        });
        return true;
      },
      PATIENCE,
    );
    return next;
  }

  close(): Promise<void> {
    return this.#admin.disconnect();
  }

  async #partitions(): Promise<Placed[]> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [...this.#topics] });
    return topics.flatMap(({ name, partitions }) =>
      partitions.map((partition) => ({ ...partition, topic: name })),
    );
  }
}
