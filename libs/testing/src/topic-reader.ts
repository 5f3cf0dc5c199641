import { randomBytes } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';

/** A message as an external client reads it from a topic. */
export interface ReadMessage {
  readonly partition: number;
  readonly offset: number;
  readonly message: KafkaMessage;
}

/** Reads whole topics from their beginning, with a consumer group of its own. */
export class TopicReader {
  readonly messages: ReadMessage[] = [];
  readonly #consumer: Consumer;

  private constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  static async open(kafka: Kafka, topics: readonly string[]): Promise<TopicReader> {
    const consumer = kafka.consumer({
      groupId: `reader-${randomBytes(6).toString('hex')}`,
      maxWaitTimeInMs: 100,
    });
    const reader = new TopicReader(consumer);
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ partition, message }) => {
        reader.messages.push({ partition, offset: Number(message.offset), message });
        return Promise.resolve();
      },
    });
    return reader;
  }

  close(): Promise<void> {
    return this.#consumer.disconnect();
  }
}
