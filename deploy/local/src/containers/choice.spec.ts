import { describe, expect, it, jest } from '@jest/globals';
import { chooseTestStack, type EngineReport, type TestStackChoice } from './choice.ts';
import { readTestStackSettings } from './settings.ts';

const urls = {
  KAFKA_BROKERS: 'kafka:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  MONGODB_URI: 'mongodb://mongo/',
  REDIS_URL: 'redis://redis:6379',
};
const standard = {
  kafka: 'apache/kafka:4.1.1',
  registry: 'apicurio/apicurio-registry-mem:2.6.13.Final',
  mongo: 'mongo:8',
  redis: 'redis:7.4',
};
const engine = 'Docker 28.2.2';
const nobody: EngineReport = { missing: Object.values(standard) };

/** The choice under that environment, and the images that were looked for (undefined if none had to be). */
async function choose(
  env: Record<string, string>,
  report: EngineReport,
): Promise<TestStackChoice & { asked: readonly string[] | undefined }> {
  const look = jest.fn<(images: readonly string[]) => Promise<EngineReport>>().mockResolvedValue(report);
  const choice = await chooseTestStack(readTestStackSettings(env), look);
  return { ...choice, asked: look.mock.calls[0]?.[0] };
}

describe('chooseTestStack without TEST_STACK', () => {
  it('chooses the local stack when no engine answers', async () => {
    expect(await choose({}, nobody)).toEqual({
      kind: 'local',
      line: 'local stack (no Docker engine answers)',
      asked: Object.values(standard),
    });
  });

  it('chooses the local stack when an image is missing, and names it', async () => {
    expect(await choose({}, { engine, missing: ['mongo:8'] })).toMatchObject({
      kind: 'local',
      line: 'local stack (Docker 28.2.2 answers, but has no image mongo:8)',
    });
  });

  it('chooses containers when the engine has all images', async () => {
    expect(await choose({}, { engine, missing: [] })).toMatchObject({
      kind: 'containers',
      line: 'containers (Docker 28.2.2 answers and has all images)',
    });
  });

  it('chooses the URLs when all four are given, and asks no engine', async () => {
    expect(await choose(urls, { engine, missing: [] })).toEqual({
      kind: 'urls',
      line: 'parts given by URL (all four)',
      asked: undefined,
    });
  });

  it('needs no image of a part that is given by URL', async () => {
    const { KAFKA_BROKERS, REDIS_URL } = urls;
    expect(await choose({ KAFKA_BROKERS, REDIS_URL }, { engine, missing: [] })).toEqual({
      kind: 'containers',
      line: 'containers (Docker 28.2.2 answers and has all images), by URL: kafka, redis',
      asked: [standard.registry, standard.mongo],
    });
  });

  it('treats an empty TEST_STACK as absent', async () => {
    expect(await choose({ TEST_STACK: ' ' }, nobody)).toMatchObject({ kind: 'local' });
  });
});

describe('chooseTestStack with TEST_STACK', () => {
  it('chooses the local stack in every environment', async () => {
    expect(await choose({ TEST_STACK: 'local' }, { engine, missing: [] })).toEqual({
      kind: 'local',
      line: 'local stack (TEST_STACK=local)',
      asked: undefined,
    });
  });

  it('chooses containers even when images must be pulled, and says which', async () => {
    expect(
      await choose({ TEST_STACK: 'containers' }, { engine, missing: ['mongo:8', 'redis:7.4'] }),
    ).toMatchObject({
      kind: 'containers',
      line: 'containers (TEST_STACK=containers, Docker 28.2.2; to be pulled: mongo:8, redis:7.4)',
    });
  });

  it('refuses containers when no engine answers', async () => {
    await expect(choose({ TEST_STACK: 'containers' }, nobody)).rejects.toMatchObject({
      code: 'BAD_ENVIRONMENT',
      message: 'TEST_STACK=containers, but no Docker engine answers',
    });
  });

  it('chooses the URLs when all four are given', async () => {
    expect(await choose({ ...urls, TEST_STACK: 'urls' }, nobody)).toMatchObject({
      kind: 'urls',
      asked: undefined,
    });
  });

  it('refuses an incomplete set of URLs and names the missing ones', async () => {
    const { KAFKA_BROKERS, MONGODB_URI } = urls;
    await expect(choose({ KAFKA_BROKERS, MONGODB_URI, TEST_STACK: 'urls' }, nobody)).rejects.toMatchObject({
      code: 'BAD_ENVIRONMENT',
      message: 'TEST_STACK=urls needs all four, and lacks SCHEMA_REGISTRY_URL, REDIS_URL',
    });
  });
});
