import { topicNames, topicsOf, type TopicNames } from '@bulk/contracts';
import { Consumption, type Kafka } from '@bulk/kafka';

/** The lag of a consumer group in one topic, as of now. */
export interface GroupLag {
  readonly service: string;
  readonly group: string;
  readonly topic: string;
  /** Number of messages that the group has not committed. */
  readonly messages: number;
  /** Partition → its lag. Partitions without lag are absent. */
  readonly partitions: Readonly<Record<string, number>>;
}

/** A consumer group that all instances of a service share, with a topic that it consumes. */
export interface SharedGroup {
  readonly service: string;
  readonly group: string;
  readonly topic: string;
}

/** Returns the shared consumer groups of an installation. Groups of a single process are left out. */
export function sharedGroups(prefix: string, topics: TopicNames = topicNames(prefix)): SharedGroup[] {
  return topicsOf(topics).flatMap(({ name: topic, member, consumers }) =>
    Object.entries(consumers).flatMap(([service, { group }]) =>
      group === 'per-process' ? [] : [{ service, group: `${prefix}${group(member ?? '')}`, topic }],
    ),
  );
}

/** Reads the lag of groups from the broker. @throws kafkajs' error. */
export async function readLag(kafka: Kafka, groups: readonly SharedGroup[]): Promise<GroupLag[]> {
  return Consumption.ask(kafka, async (consumption) => {
    const lags: GroupLag[] = [];
    for (const { service, group, topic } of groups) {
      const ends = await consumption.ends(topic);
      const positions = await consumption.positions(group, topic);
      const partitions = Object.fromEntries(
        Object.entries(ends)
          .map(([partition, end]) => [partition, end - (positions[partition] ?? 0)] as const)
          .filter(([, lag]) => lag > 0),
      );
      const messages = Object.values(partitions).reduce((sum, lag) => sum + lag, 0);
      lags.push({ service, group, topic, messages, partitions });
    }
    return lags;
  });
}
