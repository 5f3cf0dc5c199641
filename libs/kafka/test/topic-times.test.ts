import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { topicsOf } from '@bulk/contracts';
import { loadConfig } from '@bulk/runtime';
import { eventually, TestInstallation } from '@bulk/testing';
import { ConfigResourceTypes } from 'kafkajs';
import { kafkaConfigSchema } from '../src/client/config.ts';
import { alignTopicTimes } from '../src/admin/topic-times.ts';
import { ensureTopics, topicPlans } from '../src/admin/topics.ts';

let installation: TestInstallation;
beforeEach(async () => {
  installation = await TestInstallation.create('topic-times');
});
afterEach(() => installation.dispose());

const configOf = (extra: Record<string, string>) =>
  loadConfig(kafkaConfigSchema, { ...installation.env, ...extra });

async function entriesOf(topic: string): Promise<Map<string, string>> {
  const admin = installation.kafka.admin();
  await admin.connect();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    return new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  } finally {
    await admin.disconnect();
  }
}

it('creates topics whose segments end well before their retention', async () => {
  const entries = await entriesOf(installation.topics.entityBatches.normal);
  expect(entries.get('retention.ms')).toBe(String(7 * 86_400_000));
  expect(entries.get('segment.ms')).toBe(String(86_400_000));
});

it('changes retention and segment time of existing topics, and no other entry of theirs', async () => {
  const { kafka, topics } = installation;
  const topic = topics.entityBatches.normal;
  const admin = kafka.admin();
  await admin.connect();
  const own = [...(await entriesOf(topic))].filter(
    ([name]) => name in topicPlans(topics, configOf({}))[1]!.config,
  );
  const configEntries = [
    ...own.map(([name, value]) => ({ name, value })),
    { name: 'flush.ms', value: '1234' },
  ];
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
  await admin.disconnect();
  const entry = (name: string, value: string): Promise<true> =>
    eventually(`${name} is ${value}`, async () => (await entriesOf(topic)).get(name) === value);
  await entry('flush.ms', '1234');

  const config = configOf({ KAFKA_RETENTION_HOURS: '336' });
  await ensureTopics(kafka, topicsOf(topics), config);
  expect((await entriesOf(topic)).get('retention.ms')).toBe(String(7 * 86_400_000));
  const changed = await alignTopicTimes(kafka, topics, config);
  expect(changed).toContain(topic);
  expect(changed).not.toContain(topics.progress);
  await entry('retention.ms', String(14 * 86_400_000));
  await entry('segment.ms', String(2 * 86_400_000));
  const entries = await entriesOf(topic);
  expect(entries.get('flush.ms')).toBe('1234');
  expect(entries.get('max.message.bytes')).toBe('8388608');
  await eventually(
    'nothing is left to change',
    async () => (await alignTopicTimes(kafka, topics, config)).length === 0,
  );
});
