import { CodedError } from '@bulk/domain';
import type { Admin, Kafka } from 'kafkajs';
import { KafkaUnavailableError } from '../client/errors.ts';

/** Partition → an offset in it. */
export type Offsets = Readonly<Record<string, number>>;

/** How far logs are and how far groups have consumed them, as the broker has it now. */
export class Consumption {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  /**
   * Asks questions on a connection of its own: for rare ones.
   *
   * @throws kafkajs' error when the broker does not answer.
   */
  static async ask<T>(kafka: Kafka, questions: (consumption: Consumption) => Promise<T>): Promise<T> {
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await questions(new Consumption(admin));
    } finally {
      // What was broken need not close well.
      await admin.disconnect().catch(() => undefined);
    }
  }

  /** By partition, the offset of the next message that will be appended. @throws kafkajs' error. */
  async ends(topic: string): Promise<Offsets> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return Object.fromEntries(offsets.map(({ partition, high }) => [String(partition), Number(high)]));
  }

  /**
   * By partition, the offset of the first message that a group has not committed; without a commit that is the first one that
   * is kept.
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
 * Offset of the next message that will be appended to a partition, as the broker has it now. Opens a connection of its own:
 * for rare questions.
 *
 * @throws KafkaUnavailableError when the broker does not answer, refuses, or has no such partition now.
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
