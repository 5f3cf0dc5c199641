import type { TopicNames } from '@bulk/contracts';
import type { Kafka } from 'kafkajs';
import ConfigResourceTypes from 'kafkajs/src/protocol/configResourceTypes.js';
import ConfigSource from 'kafkajs/src/protocol/configSource.js';
import type { KafkaConfig } from '../client/config.ts';
import { topicPlans } from './topics.ts';

/** The topic settings that follow the configuration for the life of the topic. */
const TIMES = ['retention.ms', 'segment.ms'] as const;

/**
 * Sets the retention and segment time of existing topics to the configured values. Every other topic setting stays as
 * it is. The installer runs it: services only create topics and need no right to change them.
 *
 * @returns the names of the changed topics.
 * @throws kafkajs' error if a broker does not answer, or refuses.
 */
export async function alignTopicTimes(
  kafka: Kafka,
  topics: TopicNames,
  config: KafkaConfig,
): Promise<string[]> {
  const plans = topicPlans(topics, config);
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: plans.map(({ topic }) => ({ type: ConfigResourceTypes.TOPIC, name: topic })),
    });
    const changed = plans.flatMap((plan) => {
      const found = resources.find(({ resourceName }) => resourceName === plan.topic)?.configEntries ?? [];
      const valueOf = (name: string): string | undefined =>
        found.find(({ configName }) => configName === name)?.configValue;
      if (TIMES.every((name) => valueOf(name) === plan.config[name])) return [];
      // The request replaces all settings of a topic, so the existing ones are sent again.
      const own = found.filter(({ configSource }) => configSource === ConfigSource.TOPIC_CONFIG);
      const entries = new Map(own.map(({ configName, configValue }) => [configName, configValue]));
      for (const name of TIMES) entries.set(name, plan.config[name] ?? '');
      return [
        {
          type: ConfigResourceTypes.TOPIC,
          name: plan.topic,
          configEntries: [...entries].map(([name, value]) => ({ name, value })),
        },
      ];
    });
    if (changed.length > 0) await admin.alterConfigs({ validateOnly: false, resources: changed });
    return changed.map(({ name }) => name);
  } finally {
    await admin.disconnect();
  }
}
