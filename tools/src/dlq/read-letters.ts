import { randomUUID } from 'node:crypto';
import { MESSAGES, type MessageHeaders } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { Kafka, MessageCodec } from '@bulk/kafka';
import { toLetter, type Letter } from './letter.ts';

/** Thrown when the topic is not read to its end in time. */
export class LettersUnreadError extends CodedError {
  constructor(topic: string, timeoutMs: number) {
    super('DEAD_LETTERS_UNREAD', `${topic} was not read to its end within ${timeoutMs / 1000} s`);
  }
}

/** Thrown when the installation has no such topic: it was never started, or goes by another prefix. */
export class NoDeadLettersTopicError extends CodedError {
  constructor(topic: string) {
    super('NO_DEAD_LETTERS_TOPIC', `there is no topic ${topic}: is TOPIC_PREFIX that of the installation?`);
  }
}

interface Raw {
  readonly id: string;
  readonly value: Buffer | null;
  readonly headers: MessageHeaders;
}

/** Longest time without a message while the end is not reached, in ms. */
const STALL_MS = 30_000;

/**
 * Every dead letter that Kafka keeps, as of now, in order. Reads with a consumer group of its own, which is deleted again.
 *
 * @throws NoDeadLettersTopicError; LettersUnreadError; kafkajs' error when Kafka is away.
 */
export async function readLetters(kafka: Kafka, codec: MessageCodec, topic: string): Promise<Letter[]> {
  const ends = await endsOf(kafka, topic);
  if (ends.size === 0) return [];
  const raws = await readTo(kafka, topic, ends);
  return Promise.all(
    raws.map(async ({ id, value, headers }) =>
      toLetter(id, await codec.decode(MESSAGES.deadLetter, value), headers),
    ),
  );
}

/** Partition → offset of the last message; of partitions that hold something. */
async function endsOf(kafka: Kafka, topic: string): Promise<Map<number, number>> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    return new Map(
      offsets
        .filter(({ low, high }) => Number(high) > Number(low))
        .map(({ partition, high }) => [partition, Number(high) - 1]),
    );
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('does not host this topic')) throw error;
    throw new NoDeadLettersTopicError(topic);
  } finally {
    await admin.disconnect();
  }
}

async function readTo(kafka: Kafka, topic: string, ends: ReadonlyMap<number, number>): Promise<Raw[]> {
  const groupId = `dlq-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, allowAutoTopicCreation: false });
  const raws: Raw[] = [];
  const open = new Set(ends.keys());
  let timer: NodeJS.Timeout | undefined;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const stalled = (): void => reject(new LettersUnreadError(topic, STALL_MS));
      timer = setTimeout(stalled, STALL_MS);
      consumer
        .run({
          autoCommit: false,
          eachMessage: ({ partition, message }) => {
            timer?.refresh();
            const offset = Number(message.offset);
            const end = ends.get(partition) ?? -1;
            const { value, headers = {} } = message;
            if (offset <= end) raws.push({ id: `${partition}:${offset}`, value, headers });
            if (offset >= end) open.delete(partition);
            if (open.size === 0) resolve();
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
    await forget(kafka, groupId);
  }
  return raws;
}

/** An empty group does no harm; Kafka forgets it in time. */
async function forget(kafka: Kafka, groupId: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } catch {
    // It stays until then.
  } finally {
    await admin.disconnect();
  }
}
