import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { topicsOf, topicsOfService, type Topic } from '@bulk/contracts';
import { loadConfig } from '@bulk/runtime';
import { TestInstallation } from '@bulk/testing';
import { checkKafkaRights } from '../src/admin/access.ts';
import { ensureTopics } from '../src/admin/topics.ts';
import { kafkaConfigSchema, type KafkaConfig } from '../src/client/config.ts';

let installation: TestInstallation;
beforeEach(async () => {
  installation = await TestInstallation.create('topics');
});
afterEach(() => installation.dispose());

const configOf = (extra: Readonly<Record<string, string>> = {}): KafkaConfig =>
  loadConfig(kafkaConfigSchema, { ...installation.env, ...extra });

async function existing(): Promise<string[]> {
  const admin = installation.kafka.admin();
  await admin.connect();
  const topics = await admin.listTopics();
  await admin.disconnect();
  return topics.filter((topic) => topic.startsWith(installation.env['TOPIC_PREFIX']!)).sort();
}

describe('a service', () => {
  it('creates its own topics when they are missing, and no other topic', async () => {
    const { kafka, topics } = installation;
    await installation.deleteTopics();
    const own = topicsOfService(topics, 'notifier');
    // Two processes at the same time.
    await Promise.all([ensureTopics(kafka, own, configOf()), ensureTopics(kafka, own, configOf())]);
    expect(await existing()).toEqual([topics.progress]);
    await ensureTopics(kafka, topicsOf(topics), configOf());
    expect(await existing()).toHaveLength(topicsOf(topics).length);
  });

  it('names a missing topic and creates none when ENSURE_TOPICS is false', async () => {
    const { kafka, topics } = installation;
    const config = configOf({ ENSURE_TOPICS: 'false' });
    await ensureTopics(kafka, topicsOf(topics), config);
    await installation.deleteTopics();
    await expect(ensureTopics(kafka, topicsOfService(topics, 'notifier'), config)).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: `missing topics: ${topics.progress}; ENSURE_TOPICS is false; the installer creates them (ops install)`,
    });
    expect(await existing()).toEqual([]);
  });

  it('refuses a lane with another number of partitions than configured', async () => {
    const { kafka, topics } = installation;
    const lanes: Topic[] = topicsOfService(topics, 'handler');
    await expect(ensureTopics(kafka, lanes, configOf({ KAFKA_LANE_PARTITIONS: '4' }))).rejects.toMatchObject({
      code: 'TOPIC_PARTITIONS_MISMATCH',
    });
  });

  it('has every right on a cluster without an authorizer', async () => {
    const { kafka, topics } = installation;
    await checkKafkaRights(kafka, [
      {
        resource: 'topic',
        name: topics.results,
        pattern: 'literal',
        operations: ['Read', 'Write', 'Describe'],
      },
      { resource: 'group', name: 'any-group-', pattern: 'prefixed', operations: ['Read', 'Delete'] },
    ]);
  });
});
