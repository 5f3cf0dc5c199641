import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { topicNames, topicsOf, type Topic } from '@bulk/contracts';
import { loadConfig } from '@bulk/runtime';
import { testUrls } from '@bulk/testing';
import { z } from 'zod';
import { kafkaConfigSchema, type KafkaConfig } from '../src/client/config.ts';
import { MessageCodec } from '../src/registry/message-codec.ts';
import { subjectOf } from '../src/registry/subjects.ts';

const registryUrl = testUrls().SCHEMA_REGISTRY_URL;
const configOf = (extra: Readonly<Record<string, string>> = {}): KafkaConfig =>
  loadConfig(kafkaConfigSchema, { ...testUrls(), ...extra });
const levelSchema = z.object({ compatibilityLevel: z.string() });

let topics: Topic[];
let subject: string;
beforeEach(() => {
  const names = topicNames(`subjects-${randomBytes(4).toString('hex')}.`);
  topics = topicsOf(names).filter(({ name }) => name === names.progress);
  subject = subjectOf(names.progress);
});
afterEach(async () => {
  await (await fetch(`${registryUrl}/subjects/${subject}`, { method: 'DELETE' })).text();
});

async function levelOf(): Promise<string> {
  const response = await fetch(`${registryUrl}/config/${subject}`);
  return levelSchema.parse(await response.json()).compatibilityLevel;
}

async function setLevel(compatibility: string): Promise<void> {
  const response = await fetch(`${registryUrl}/config/${subject}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ compatibility }),
  });
  expect(response.status).toBe(200);
  await response.text();
}

describe('a subject', () => {
  it('gets FULL_TRANSITIVE when a service registers it, and FULL if that is configured', async () => {
    await MessageCodec.open(configOf({ SCHEMA_COMPATIBILITY: 'FULL' }), topics);
    expect(await levelOf()).toBe('FULL');
    await MessageCodec.open(configOf(), topics);
    expect(await levelOf()).toBe('FULL');
    await MessageCodec.install(configOf(), topics);
    expect(await levelOf()).toBe('FULL_TRANSITIVE');
    await MessageCodec.install(configOf({ SCHEMA_COMPATIBILITY: 'FULL' }), topics);
    expect(await levelOf()).toBe('FULL_TRANSITIVE');
  });

  it.each(['FULL', 'FULL_TRANSITIVE'])(
    'may have %s from an administrator before a service starts',
    async (level) => {
      await MessageCodec.open(configOf(), topics);
      await setLevel(level);
      await MessageCodec.open(configOf(), topics);
      await MessageCodec.open(configOf({ REGISTER_SCHEMAS: 'false' }), topics);
      expect(await levelOf()).toBe(level);
    },
  );

  it('with less than FULL stops a service from starting, with an error that names both', async () => {
    await MessageCodec.open(configOf(), topics);
    await setLevel('BACKWARD');
    await expect(MessageCodec.open(configOf(), topics)).rejects.toMatchObject({
      code: 'SUBJECT_COMPATIBILITY',
      message: `subject ${subject} has compatibility BACKWARD; set it to FULL_TRANSITIVE (FULL is accepted)`,
    });
  });

  it('is only looked up when REGISTER_SCHEMAS is false, and named if it lacks the schema', async () => {
    const looking = configOf({ REGISTER_SCHEMAS: 'false' });
    await expect(MessageCodec.open(looking, topics)).rejects.toMatchObject({
      code: 'SCHEMA_MISSING',
      message: expect.stringContaining(`subject ${subject} lacks this version's schema of ActionProgress`),
    });
    const registered = await MessageCodec.install(configOf(), topics);
    const found = await MessageCodec.open(looking, topics);
    const [{ name } = { name: '' }] = topics;
    const progress = {
      actionId: '0198f7c0-0000-7000-8000-000000000000',
      accountId: 'acme',
      actionType: 'update',
      entityType: 'contact',
      version: 1,
      status: 'processing',
      total: 1,
      success: 0,
      failure: 0,
      skipped: 0,
      startedAt: 1,
      finishedAt: null,
      pausedMs: 0,
      updatedAt: 1,
    };
    expect(await found.encode(name, progress)).toEqual(await registered.encode(name, progress));
  });
});
