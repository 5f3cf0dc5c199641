import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { topicNames } from '@bulk/contracts';
import { kafkaConfigSchema, topicPlans, type TopicPlan } from '@bulk/kafka';
import { loadConfig } from '@bulk/runtime';

/** The manifest of the topics in the repository, relative to the workspace root. */
export const TOPICS_FILE = 'deploy/k8s/topics/kafka-topics.yaml';

/** The settings that all services share in Kubernetes. */
const SETTINGS_FILE = 'deploy/k8s/base/platform.env';

const HEAD =
  '# Made by `npm run codegen` of the table of topics and platform.env; a test fails when it is stale. The partitions of a lane are fixed at creation.';

/** Returns Strimzi's KafkaTopic of every topic, created as the services would create it. */
export function kafkaTopicsText(workspaceRoot: string): string {
  const settings = parseEnv(readFileSync(join(workspaceRoot, SETTINGS_FILE), 'utf8'));
  const config = loadConfig(kafkaConfigSchema, settings);
  const topics = topicPlans(topicNames(config.TOPIC_PREFIX), config).map(kafkaTopic);
  return `${HEAD}\n${topics.join('---\n')}`;
}

function kafkaTopic({ topic, partitions, replicas, config }: TopicPlan): string {
  const entries = Object.entries(config).map(([name, value]) => `    ${name}: ${value}\n`);
  return `apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
  name: ${topic}
  labels: { strimzi.io/cluster: bulk }
spec:
  partitions: ${partitions}
  replicas: ${replicas}
  config:
${entries.join('')}`;
}
