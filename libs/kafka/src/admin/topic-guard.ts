import { CodedError } from '@bulk/domain';
import { openDependency, type ServiceContext } from '@bulk/runtime';
import type { Kafka } from 'kafkajs';
import { TopicIds, type TopicIdsByName } from './topic-ids.ts';

/** Name on `/healthz`. */
export const KAFKA_TOPICS = 'kafka topics';

/** Code of a TopicReplacedError. */
export const TOPIC_REPLACED = 'TOPIC_REPLACED';

/**
 * Thrown when a topic was deleted and created again. The offsets of the new topic start at 0, below the offsets that
 * fences of entities and counts of actions refer to. Its messages would be taken for repetitions and dropped. An
 * operator must act.
 */
export class TopicReplacedError extends CodedError {
  constructor(topic: string) {
    super(
      TOPIC_REPLACED,
      `topic ${topic} was deleted and created again; none of its messages is processed until the migration in docs/architecture/exactly-once.md ("Fixed at creation") is done`,
      { retryable: true },
    );
  }
}

/** Confirms that no topic was replaced since the installation first used it. */
export class TopicGuard {
  readonly #ids: Pick<TopicIds, 'of'>;
  readonly #recorded: TopicIdsByName;
  #underWay: Promise<unknown> = Promise.resolve();
  #next: Promise<TopicIdsByName> | undefined;

  /** @param recorded the ids of the topics at their first use. */
  constructor(ids: Pick<TopicIds, 'of'>, recorded: TopicIdsByName) {
    this.#ids = ids;
    this.#recorded = recorded;
  }

  /** The ids of the topics at their first use. Consumers fetch by them. */
  get ids(): TopicIdsByName {
    return this.#recorded;
  }

  /**
   * Resolves if a question that was asked after this call found the topics unchanged. What was fetched from a topic
   * before the call is then valid, since a topic id is never used again. Calls that arrive while a question waits share
   * it.
   *
   * @throws TopicReplacedError for the first topic that was replaced.
   * @throws KafkaUnavailableError if Kafka does not answer.
   */
  async confirm(topics: Iterable<string> = this.#recorded.keys()): Promise<void> {
    const ids = await this.#ask();
    for (const topic of topics) {
      const recorded = this.#recorded.get(topic);
      const id = ids.get(topic);
      if (recorded !== undefined && id !== undefined && id !== recorded) throw new TopicReplacedError(topic);
    }
  }

  #ask(): Promise<TopicIdsByName> {
    if (this.#next !== undefined) return this.#next;
    const asked = this.#underWay.then(() => {
      this.#next = undefined;
      return this.#ids.of([...this.#recorded.keys()]);
    });
    this.#next = asked;
    this.#underWay = asked.catch(() => undefined);
    return asked;
  }
}

/**
 * Waits until each topic is the one that the installation has used from its start. The first use records the ids.
 *
 * @param record stores the ids that are not stored yet, and returns the ids that are stored afterwards.
 * @throws the signal's reason if the service is stopped first.
 */
export async function openTopicGuard(
  kafka: Kafka,
  topics: readonly string[],
  record: (ids: TopicIdsByName) => Promise<TopicIdsByName>,
  context: ServiceContext,
): Promise<TopicGuard> {
  const ids = new TopicIds(kafka);
  context.releasers.push(KAFKA_TOPICS, () => ids.close());
  const guard = await openDependency(
    KAFKA_TOPICS,
    async () => {
      const opened = new TopicGuard(ids, await record(await ids.of(topics)));
      await opened.confirm();
      return opened;
    },
    context,
  );
  context.dependencies.add({ name: KAFKA_TOPICS, code: TOPIC_REPLACED, probe: () => guard.confirm() });
  return guard;
}
