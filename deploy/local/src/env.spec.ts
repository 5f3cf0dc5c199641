import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadEnv, readStackEnvironment } from './env.ts';
import { StackError } from './errors.ts';

describe('loadEnv', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stack-env-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('lets the environment of the process win over .env', () => {
    const file = join(folder, '.env');
    writeFileSync(file, 'KAFKA_BROKERS=file:9092\nMONGODB_URI="mongodb://file/"\n');
    const env = loadEnv({ KAFKA_BROKERS: 'process:9092' }, file);
    expect(env).toEqual({ KAFKA_BROKERS: 'process:9092', MONGODB_URI: 'mongodb://file/' });
  });

  it('works without a file', () => {
    expect(loadEnv({ A: 'b' }, join(folder, 'absent'))).toEqual({ A: 'b' });
  });
});

describe('readStackEnvironment', () => {
  it('finds nothing external in an empty environment', () => {
    expect(readStackEnvironment({})).toEqual({ name: 'default', external: {} });
  });

  it('reads each part from its own variable', () => {
    const { external } = readStackEnvironment({
      KAFKA_BROKERS: 'a:9092,b:9092',
      SCHEMA_REGISTRY_URL: 'https://registry.example/apis/ccompat/v7',
      MONGODB_URI: 'mongodb://a,b/?replicaSet=rs0',
      REDIS_URL: 'rediss://r:6380',
    });
    expect(external).toEqual({
      kafka: 'a:9092,b:9092',
      registry: 'https://registry.example/apis/ccompat/v7',
      mongo: 'mongodb://a,b/?replicaSet=rs0',
      redis: 'rediss://r:6380',
    });
  });

  it('builds a URL from REDIS_HOST and REDIS_PORT, either of which may be absent', () => {
    const redis = (env: Record<string, string>): string | undefined =>
      readStackEnvironment(env).external.redis;
    expect(redis({ REDIS_HOST: 'cache', REDIS_PORT: '6380' })).toBe('redis://cache:6380');
    expect(redis({ REDIS_HOST: 'cache' })).toBe('redis://cache:6379');
    expect(redis({ REDIS_PORT: '6380' })).toBe('redis://127.0.0.1:6380');
    expect(redis({ REDIS_HOST: 'cache', REDIS_URL: 'redis://wins:1' })).toBe('redis://wins:1');
  });

  it('treats an empty value as absent', () => {
    expect(readStackEnvironment({ KAFKA_BROKERS: '', STACK_NAME: ' ' })).toEqual({
      name: 'default',
      external: {},
    });
  });

  it('lets an explicit name win over STACK_NAME', () => {
    expect(readStackEnvironment({ STACK_NAME: 'env' }).name).toBe('env');
    expect(readStackEnvironment({ STACK_NAME: 'env' }, 'option').name).toBe('option');
  });

  it.each([
    ['REDIS_PORT', { REDIS_PORT: '70000' }],
    ['SCHEMA_REGISTRY_URL', { SCHEMA_REGISTRY_URL: 'localhost:8081' }],
    ['STACK_NAME', { STACK_NAME: '../elsewhere' }],
    ['STACK_MONGO_DURABLE', { STACK_MONGO_DURABLE: 'yes' }],
  ])('refuses a malformed %s by name', (variable, env) => {
    expect(() => readStackEnvironment(env)).toThrow(
      expect.objectContaining({ code: 'BAD_ENVIRONMENT', message: expect.stringContaining(variable) }),
    );
    expect(() => readStackEnvironment(env)).toThrow(StackError);
  });
});
