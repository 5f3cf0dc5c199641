import { Partitioners, type Kafka, type Message, type PartitionMetadata } from 'kafkajs';

/** A message whose partition is known before it is sent. */
export type PlacedMessage = Message & { readonly partition: number };

/** How long the partitions of a topic are cached, in ms: as long as kafkajs caches its own metadata. */
const MAX_AGE_MS = 300_000;

interface Known {
  readonly partitions: Promise<PartitionMetadata[]>;
  readonly until: number;
  /** Partition → its leader, once Kafka has answered. */
  leaders?: ReadonlyMap<number, number>;
}

/**
 * Chooses a partition for each message that has none, by Kafka's default hash of its key.
 *
 * kafkajs could choose one, but it does not report which, and it chooses again in each of its retries. Only a partition
 * that is known in advance can wait for its turn, and can be missed in an answer.
 */
export class PartitionChooser {
  readonly #kafka: Pick<Kafka, 'admin'>;
  readonly #now: () => number;
  readonly #choose = Partitioners.DefaultPartitioner();
  readonly #known = new Map<string, Known>();

  constructor(kafka: Pick<Kafka, 'admin'>, now: () => number = Date.now) {
    this.#kafka = kafka;
    this.#now = now;
  }

  /**
   * Returns the messages with their partitions. @throws kafkajs' error if the partitions of the topic cannot be found
   * out.
   */
  async place(topic: string, messages: readonly Message[]): Promise<PlacedMessage[]> {
    if (messages.every(isPlaced)) return [...messages];
    const partitionMetadata = await this.#partitionsOf(topic);
    return messages.map((message) =>
      isPlaced(message)
        ? message
        : { ...message, partition: this.#choose({ topic, partitionMetadata, message }) },
    );
  }

  /**
   * Returns the leader of a partition as of the last answer of Kafka, which is up to five minutes old; `undefined` if
   * there is no answer yet.
   */
  leaderOf(topic: string, partition: number): number | undefined {
    // Messages that name their partition need no answer, so nothing may wait for it here or fail with it.
    void this.#partitionsOf(topic).catch(() => undefined);
    return this.#known.get(topic)?.leaders?.get(partition);
  }

  /** Drops the cached partitions of a topic after a failed send, so that they are requested again. */
  forget(topic: string): void {
    this.#known.delete(topic);
  }

  #partitionsOf(topic: string): Promise<PartitionMetadata[]> {
    const known = this.#known.get(topic);
    if (known !== undefined && this.#now() < known.until) return known.partitions;
    const partitions = this.#ask(topic);
    const asked: Known = { partitions, until: this.#now() + MAX_AGE_MS };
    this.#known.set(topic, asked);
    partitions.then(
      (found) => (asked.leaders = new Map(found.map(({ partitionId, leader }) => [partitionId, leader]))),
      () => {
        if (this.#known.get(topic) === asked) this.#known.delete(topic);
      },
    );
    return partitions;
  }

  async #ask(topic: string): Promise<PartitionMetadata[]> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const partitions = topics.find(({ name }) => name === topic)?.partitions ?? [];
      if (partitions.length === 0) throw new Error(`the partitions of ${topic} are unknown`);
      return partitions;
    } finally {
      await admin.disconnect();
    }
  }
}

function isPlaced(message: Message): message is PlacedMessage {
  return message.partition !== undefined;
}
