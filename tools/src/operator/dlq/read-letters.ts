import { randomUUID } from 'node:crypto';
import { MESSAGES } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { Kafka, MessageCodec } from '@bulk/kafka';
import { deadLetterId } from '@bulk/mongo';
import type { KafkaMessage } from 'kafkajs';
import { toLetter, type Letter } from './letter.ts';

/** Thrown when the topic was not read to its end in time. */
export class LettersUnreadError extends CodedError {
  constructor(topic: string, timeoutMs: number) {
    super('DEAD_LETTERS_UNREAD', `${topic} was not read to its end within ${timeoutMs / 1000} s`);
  }
}

/** Thrown when the installation has no such topic: it was never started, or has another prefix. */
export class NoDeadLettersTopicError extends CodedError {
  constructor(topic: string) {
    super('NO_DEAD_LETTERS_TOPIC', `there is no topic ${topic}: is TOPIC_PREFIX that of the installation?`);
  }
}

/** Longest time without a message while the end is not reached, in ms. */
const STALL_MS = 30_000;

/** Maximum number of dead letters that are passed on at once. */
const PAGE = 100;

export interface ReadOptions {
  /** Only these dead letters are read and decoded. @default all */
  readonly ids?: ReadonlySet<string> | undefined;
  /** Takes some dead letters. The next ones are read once it is done, so that memory is bounded. */
  readonly take: (letters: readonly Letter[]) => Promise<void>;
}

/** The topic of the dead letters, with what is needed to read it. */
export interface LetterSource {
  readonly kafka: Kafka;
  readonly codec: MessageCodec;
  readonly topic: string;
  /** Prefix of the consumer group, on which the user needs rights. */
  readonly groupPrefix: string;
}

/**
 * Reads every dead letter that Kafka currently keeps, in order, some at a time.
 *
 * It reads with a consumer group of its own, which it deletes afterwards.
 *
 * @throws NoDeadLettersTopicError; LettersUnreadError; the error of kafkajs if Kafka is
 * unavailable; what `take` throws.
 */
export async function readLetters(
  { kafka, codec, topic, groupPrefix }: LetterSource,
  { ids, take }: ReadOptions,
): Promise<void> {
  const ends = await endsOf(kafka, topic);
  if (ends.size === 0) return;
  await readTo({ kafka, topic, groupPrefix }, ends, async (partition, messages) => {
    const wanted = messages.filter(({ offset }) => ids?.has(deadLetterId(partition, offset)) ?? true);
    const letters = await Promise.all(
      wanted.map(async ({ offset, value, headers = {} }) =>
        toLetter(deadLetterId(partition, offset), await codec.decode(MESSAGES.deadLetter, value), headers),
      ),
    );
    if (letters.length > 0) await take(letters);
  });
}

/** Returns partition → offset of the last message, for partitions that hold messages. */
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

async function readTo(
  { kafka, topic, groupPrefix }: Omit<LetterSource, 'codec'>,
  ends: ReadonlyMap<number, number>,
  take: (partition: number, messages: readonly KafkaMessage[]) => Promise<void>,
): Promise<void> {
  const groupId = `${groupPrefix}${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, allowAutoTopicCreation: false });
  const open = new Set(ends.keys());
  let timer: NodeJS.Timeout | undefined;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const stalled = (): void => reject(new LettersUnreadError(topic, STALL_MS));
      timer = setTimeout(stalled, STALL_MS);
      let failed = false;
      consumer
        .run({
          autoCommit: false,
          eachBatch: async (payload) => {
            const { partition, messages } = payload.batch;
            const end = ends.get(partition) ?? -1;
            try {
              for (let i = 0; i < messages.length && !failed && open.has(partition); i += PAGE) {
                const page = messages.slice(i, i + PAGE);
                await take(
                  partition,
                  page.filter(({ offset }) => Number(offset) <= end),
                );
                timer?.refresh();
                await payload.heartbeat();
                if (page.some(({ offset }) => Number(offset) >= end)) open.delete(partition);
              }
            } catch (error) {
              failed = true;
              reject(error instanceof Error ? error : new Error(String(error)));
            }
            if (open.size === 0) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
    await forget(kafka, groupId);
  }
}

/** Deletes the group. A group that remains does no harm, and Kafka removes it in time. */
async function forget(kafka: Kafka, groupId: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } catch {
    // The group stays until Kafka removes it.
  } finally {
    await admin.disconnect();
  }
}
