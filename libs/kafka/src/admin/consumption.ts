import { CodedError } from '@bulk/domain';
import type { Admin, Kafka } from 'kafkajs';
import { KafkaUnavailableError } from '../client/errors.ts';

/** Partition → an offset in it. */
export type Offsets = Readonly<Record<string, number>>;

/** The messages that a partition holds: from `low`, below `high`. */
export interface OffsetRange {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/** Reads the current log ends and the committed offsets of groups from the broker. */
export class Consumption {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  /**
   * Runs `questions` on a connection that is opened for them and closed afterwards. Use it for rare questions.
   *
   * @throws kafkajs' error if the broker does not answer.
   */
  static async ask<T>(kafka: Kafka, questions: (consumption: Consumption) => Promise<T>): Promise<T> {
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await questions(new Consumption(admin));
    } finally {
      // A broken connection may fail to close.
      await admin.disconnect().catch(() => undefined);
    }
  }

  /** Returns the offset of the next message to be appended, by partition. @throws kafkajs' error. */
  async ends(topic: string): Promise<Offsets> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return Object.fromEntries(offsets.map(({ partition, high }) => [String(partition), Number(high)]));
  }

  /** Returns which messages a topic holds now, by partition. @throws kafkajs' error. */
  async ranges(topic: string): Promise<OffsetRange[]> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return offsets.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }));
  }

  /**
   * Returns the offset of the first message with this time or a later one, by partition. Without such a message, that
   * is the end of the log.
   *
   * @param time in ms since the epoch.
   * @throws kafkajs' error.
   */
  async firstSince(topic: string, time: number): Promise<Offsets> {
    const offsets = await this.#admin.fetchTopicOffsetsByTimestamp(topic, time);
    return Object.fromEntries(offsets.map(({ partition, offset }) => [String(partition), Number(offset)]));
  }

  /**
   * Returns the offset of the first message that a group has not committed, by partition. Without a commit, that is the
   * first message that the topic still holds.
   *
   * @throws kafkajs' error.
   */
  async positions(groupId: string, topic: string): Promise<Offsets> {
    const [committed] = await this.#admin.fetchOffsets({ groupId, topics: [topic] });
    const commits = new Map(
      committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]),
    );
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return Object.fromEntries(
      offsets.map(({ partition, low }) => [
        String(partition),
        Math.max(Number(low), commits.get(partition) ?? 0),
      ]),
    );
  }
}

/**
 * Returns the offset of the next message to be appended to a partition, as the broker has it now. It opens a connection
 * of its own, so use it for rare questions.
 *
 * @throws KafkaUnavailableError if the broker does not answer, refuses, or has no such partition now.
 */
export async function endOffsetOf(kafka: Kafka, topic: string, partition: number): Promise<number> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(topic);
    const found = offsets.find((each) => each.partition === partition);
    if (found === undefined)
      throw new CodedError('NO_SUCH_PARTITION', `${topic} has no partition ${partition}`);
    return Number(found.high);
  } catch (error) {
    throw new KafkaUnavailableError(error);
  } finally {
    await admin.disconnect();
  }
}
