import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { allTopics, MESSAGES, topicNames, topicsOf } from '@bulk/contracts';
import { kafkaConfigSchema, MessageCodec, subjectOf } from '@bulk/kafka';
import { loadConfig } from '@bulk/runtime';
import { testUrls } from '@bulk/testing';
import { z } from 'zod';

const registryUrl = testUrls().SCHEMA_REGISTRY_URL;
const kafkaConfig = loadConfig(kafkaConfigSchema, testUrls());
const topics = topicNames(`compat-${randomBytes(4).toString('hex')}.`);

const fieldSchema = z.looseObject({ name: z.string(), type: z.unknown() });
const recordSchema = z.looseObject({ name: z.string(), fields: z.array(fieldSchema) });
type AvroRecord = z.infer<typeof recordSchema>;

/** Offers a new version of a topic's schema to the registry. @returns the status code. */
async function offer(topic: string, schema: AvroRecord): Promise<number> {
  const response = await fetch(`${registryUrl}/subjects/${subjectOf(topic)}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schemaType: 'AVRO', schema: JSON.stringify(schema) }),
  });
  await response.text();
  return response.status;
}

/** Each message once, with a topic that carries it, because the lanes share theirs. */
const topicByMessage = new Map(topicsOf(topics).map(({ name, message }) => [message.avro, name]));
const schemas = [...topicByMessage].map(([avro, topic]) => ({
  topic,
  name: avro.name,
  schema: recordSchema.parse(avro),
}));

describe('the Schema Registry', () => {
  beforeAll(async () => {
    await MessageCodec.open(kafkaConfig, topicsOf(topics));
  });

  afterAll(async () => {
    await Promise.all(
      allTopics(topics).map((topic) =>
        fetch(`${registryUrl}/subjects/${subjectOf(topic)}`, { method: 'DELETE' }),
      ),
    );
  });

  describe.each(schemas)('for $name', ({ topic, schema }) => {
    const { fields } = schema;
    const required = fields.find((field) => !('default' in field) && field.type === 'string');

    it('accepts the same schema again', async () => {
      expect(await offer(topic, schema)).toBe(200);
    });

    it('refuses a new field without a default', async () => {
      const added = { name: 'added', type: 'string' };
      expect(await offer(topic, { ...schema, fields: [...fields, added] })).toBe(409);
    });

    it('refuses the removal of a field without a default', async () => {
      const left = fields.filter((field) => field !== required);
      expect(left).toHaveLength(fields.length - 1);
      expect(await offer(topic, { ...schema, fields: left })).toBe(409);
    });

    it('refuses another type of a field', async () => {
      const changed = fields.map((field) => (field === required ? { ...field, type: 'int' } : field));
      expect(await offer(topic, { ...schema, fields: changed })).toBe(409);
    });

    it('accepts a new field with a default', async () => {
      const added = { name: 'added', type: ['null', 'string'], default: null };
      expect(await offer(topic, { ...schema, fields: [...fields, added] })).toBe(200);
    });
  });

  it('accepts another effect of an outcome, because the enum has a default', async () => {
    const later = JSON.stringify(MESSAGES.batchResult.avro).replace('"unchanged"', '"unchanged","archived"');
    expect(await offer(topics.results, recordSchema.parse(JSON.parse(later)))).toBe(200);
  });

  it('makes a service with an incompatible schema fail at its start', async () => {
    const other = topicNames(`compat-start-${randomBytes(4).toString('hex')}.`);
    const future = { type: 'record', name: 'BatchResult', namespace: 'bulk.v1', fields: [] };
    expect(await offer(other.results, future)).toBe(200);
    const config = await fetch(`${registryUrl}/config/${subjectOf(other.results)}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compatibility: 'FULL' }),
    });
    expect(config.status).toBe(200);
    await expect(MessageCodec.open(kafkaConfig, topicsOf(other))).rejects.toThrow(/incompatible/i);
  });
});
