import { topicNames, topicsOf } from '@bulk/contracts';
import { MessageCodec, type KafkaConfig } from '@bulk/kafka';

/** Encodes and decodes messages as the services do. */
export type TestCodec = Pick<MessageCodec, 'encode' | 'decode'>;

/** Two processes that register one subject for the first time would compete. */
const SHARED_PREFIX = `tests-${process.pid}.`;
let shared: Promise<MessageCodec> | undefined;

/**
 * Returns a codec for the topics of an installation without registering subjects for each of them.
 *
 * Readers look a schema up by its id alone, so messages may have the id that a subject of another installation got. The
 * registration of ten subjects takes a large part of the time in which an installation is created.
 */
export async function sharedCodec(config: KafkaConfig): Promise<TestCodec> {
  shared ??= MessageCodec.open(config, topicsOf(topicNames(SHARED_PREFIX)));
  const codec = await shared;
  const { TOPIC_PREFIX: prefix } = config;
  return {
    encode: (topic, value) =>
      codec.encode(topic.startsWith(prefix) ? `${SHARED_PREFIX}${topic.slice(prefix.length)}` : topic, value),
    decode: (type, bytes) => codec.decode(type, bytes),
  };
}
