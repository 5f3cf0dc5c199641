import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { topicNames, topicsOf, type PartitionSetting } from '@bulk/contracts';
import { kafkaConfigSchema, topicPlans, type TopicPlan } from '@bulk/kafka';
import { loadConfig } from '@bulk/runtime';

/** The manifest of the topics in the repository, relative to the workspace root. */
export const TOPICS_FILE = 'deploy/k8s/topics/kafka-topics.yaml';

/** The settings that all services share in Kubernetes. */
const SETTINGS_FILE = 'deploy/k8s/base/platform.env';

const HEAD = `# Made by \`npm run codegen\` of the table of topics and platform.env; a test fails when it is stale. The settings of an
# overlay replace the prefix, the cluster, and the numbers of partitions and replicas.`;

/** The values of the label by which an overlay's setting finds the topics that it divides. */
const PARTITIONS_LABEL: Readonly<Record<PartitionSetting, string>> = {
  KAFKA_LANE_PARTITIONS: 'lane',
  KAFKA_RESULTS_PARTITIONS: 'results',
};

/** Returns Strimzi's KafkaTopic of every topic, created as the services would create it. */
export function kafkaTopicsText(workspaceRoot: string): string {
  const settings = parseEnv(readFileSync(join(workspaceRoot, SETTINGS_FILE), 'utf8'));
  const config = loadConfig(kafkaConfigSchema, settings);
  const names = topicNames(config.TOPIC_PREFIX);
  const labels = new Map(
    topicsOf(names).map(({ name, partitions, partitionsFixed }) => [
      name,
      partitions === 1
        ? ''
        : `\n    bulk-partitions: ${PARTITIONS_LABEL[partitions]}${partitionsFixed ? "\n    bulk-partitions-fixed: 'true'" : ''}`,
    ]),
  );
  const topics = topicPlans(names, config).map((plan) => kafkaTopic(plan, labels.get(plan.topic) ?? ''));
  return `${HEAD}\n${topics.join('---\n')}`;
}

function kafkaTopic({ topic, partitions, replicas, config }: TopicPlan, labels: string): string {
  const entries = Object.entries(config).map(([name, value]) => `    ${name}: ${value}\n`);
  return `apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
  name: ${topic}
  labels:
    strimzi.io/cluster: CLUSTER${labels}
spec:
  partitions: ${partitions}
  replicas: ${replicas}
  config:
${entries.join('')}`;
}
