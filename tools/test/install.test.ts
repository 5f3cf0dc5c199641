import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createRegistry } from '@bulk/action-types';
import { allTopics } from '@bulk/contracts';
import { subjectOf } from '@bulk/kafka';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, TestInstallation } from '@bulk/testing';
import { ConfigResourceTypes } from 'kafkajs';
import { installConfigSchema } from '../src/operator/install/config.ts';
import { install } from '../src/operator/install/install.ts';

let installation: TestInstallation;
let log: ReturnType<typeof silentLogger>;
beforeEach(async () => {
  log = silentLogger();
  installation = await TestInstallation.create('install');
});
afterEach(() => installation.dispose());

async function retentionOfResults(): Promise<number> {
  const admin = installation.kafka.admin();
  await admin.connect();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: installation.topics.results }],
  });
  await admin.disconnect();
  const entries = resources[0]?.configEntries ?? [];
  return Number(entries.find(({ configName }) => configName === 'retention.ms')?.configValue);
}

function run(
  extra: Readonly<Record<string, string>> = {},
  signal = new AbortController().signal,
): Promise<void> {
  return install(loadConfig(installConfigSchema, { ...installation.env, ...extra }), log, signal);
}

describe('the installer', () => {
  it('creates topics, schemas and indexes, and finds them the second time', async () => {
    await installation.deleteTopics();
    const least = { ENSURE_TOPICS: 'false', REGISTER_SCHEMAS: 'false', ENSURE_INDEXES: 'false' };
    await run(least);
    await run(least);

    const admin = installation.kafka.admin();
    await admin.connect();
    const topics = await admin.fetchTopicMetadata({ topics: allTopics(installation.topics) });
    await admin.disconnect();
    expect(topics.topics).toHaveLength(allTopics(installation.topics).length);
    for (const topic of allTopics(installation.topics)) {
      const response = await fetch(
        `${installation.env['SCHEMA_REGISTRY_URL']!}/subjects/${subjectOf(topic)}/versions`,
      );
      expect(response.status).toBe(200);
      await response.text();
    }
    const database = await installation.database();
    for (const { collection } of createRegistry().entityTypes) {
      expect((await database.entities(collection).indexes()).length).toBeGreaterThan(1);
    }
    expect((await database.actions.indexes()).length).toBeGreaterThan(1);
  });

  it('changes the retention of existing topics and tombstones when KAFKA_RETENTION_HOURS has changed', async () => {
    const database = await installation.database();
    await run();
    await run({ KAFKA_RETENTION_HOURS: '336' });
    await eventually(
      'the topic has the new time',
      async () => (await retentionOfResults()) === 336 * 3_600_000,
    );
    for (const { collection } of createRegistry().entityTypes) {
      const indexes = await database.entities(collection).indexes();
      const tombstones = indexes.find(({ expireAfterSeconds }) => expireAfterSeconds !== undefined);
      expect(tombstones?.expireAfterSeconds).toBe(554 * 3_600);
    }
  });

  it('names the unavailable dependency when the time is over', async () => {
    await installation.database();
    const away = { KAFKA_BROKERS: '127.0.0.1:1', INSTALL_TIMEOUT_MS: '4000' };
    await expect(run(away)).rejects.toMatchObject({
      code: 'NOT_INSTALLED',
      message: expect.stringContaining('kafka'),
    });
  });

  it('refuses lanes with another number of partitions than configured', async () => {
    await installation.database();
    await expect(run({ KAFKA_LANE_PARTITIONS: '4', INSTALL_TIMEOUT_MS: '10000' })).rejects.toMatchObject({
      code: 'NOT_INSTALLED',
      message: expect.stringContaining('3 partitions and 4 are configured'),
    });
  });

  it('ends at once when it is asked to stop', async () => {
    const abort = new AbortController();
    abort.abort(new Error('ended by SIGTERM'));
    await expect(run({}, abort.signal)).rejects.toThrow('ended by SIGTERM');
  });
});
