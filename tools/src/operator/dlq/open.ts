import { ownGroupPrefix, topicNames, topicsOf, type TopicNames } from '@bulk/contracts';
import type { Environment } from '@bulk/local-stack';
import { createKafka, kafkaConfigSchema, MessageCodec, type Kafka } from '@bulk/kafka';
import { checkDatabaseOwner, type Database } from '@bulk/mongo';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { DeadLetterDesk } from './desk.ts';
import { Marks } from './marks.ts';
import { readLetters } from './read-letters.ts';
import { Replayer } from './replayer.ts';

/** The dead letters of an installation, with what is needed to show them. */
export interface OpenDesk {
  readonly desk: DeadLetterDesk;
  readonly topics: TopicNames;
  readonly codec: MessageCodec;
}

/**
 * Opens the dead letters of an installation.
 *
 * @param env environment of a service of the installation: TOPIC_PREFIX, KAFKA_BROKERS,
 * SCHEMA_REGISTRY_URL.
 * @throws InvalidConfigError; ForeignDatabaseError; the registry's error if it is unavailable.
 */
export async function openDesk(env: Environment, database: Database): Promise<OpenDesk> {
  const config = loadConfig(kafkaConfigSchema, env);
  await checkDatabaseOwner(database, config.TOPIC_PREFIX);
  const kafka = createKafka('dlq', config, silentLogger());
  const topics = topicNames(config.TOPIC_PREFIX);
  const own = topicsOf(topics).filter(({ key }) => key === 'results' || key === 'deadLetters');
  const codec = await MessageCodec.open(config, own);
  const groupPrefix = ownGroupPrefix(config.TOPIC_PREFIX, 'dlq');
  return { desk: deskOf({ kafka, codec, topics, database, groupPrefix }), topics, codec };
}

interface DeskParts {
  readonly kafka: Kafka;
  readonly codec: MessageCodec;
  readonly topics: TopicNames;
  readonly database: Database;
  readonly groupPrefix: string;
}

function deskOf({ kafka, codec, topics, database, groupPrefix }: DeskParts): DeadLetterDesk {
  const now = (): Date => new Date();
  const marks = new Marks(database);
  return new DeadLetterDesk({
    read: (options) => readLetters({ kafka, codec, topic: topics.deadLetters, groupPrefix }, options),
    marks,
    replayer: new Replayer({ kafka, codec, topics, database, marks, now }),
    now,
  });
}
