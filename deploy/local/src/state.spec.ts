import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stackPaths, type StackPaths } from './paths.ts';
import { envLines, readState, removeState, type StackState, urlsOf, writeState } from './state.ts';

const state: StackState = {
  version: 1,
  name: 'unit',
  startedAt: '2026-01-02T03:04:05.678Z',
  phase: 'ready',
  dedicated: true,
  control: '/somewhere/control.sock',
  supervisor: { pid: 4242, startedAt: 'boot:1' },
  parts: {
    kafka: {
      kind: 'managed',
      url: '127.0.0.1:9092',
      port: 9092,
      engine: 'Kafka',
      log: 'kafka.log',
      process: { pid: 4243, startedAt: 'boot:2' },
    },
    mongo: { kind: 'external', url: 'mongodb://m/' },
  },
};

describe('the state file', () => {
  let folder: string;
  let paths: StackPaths;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stack-state-'));
    paths = stackPaths('unit', folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is read as it was written, and can be removed', () => {
    writeState(paths, state);
    expect(readState(paths)).toEqual(state);
    removeState(paths);
    expect(existsSync(paths.state)).toBe(false);
    expect(readState(paths)).toBeUndefined();
  });

  it.each([
    ['half a file', '{"version":1,"na'],
    [
      'a pid that would address a group or everybody',
      JSON.stringify({ ...state, supervisor: { pid: -1, startedAt: 'x' } }),
    ],
    ['a pid without its start time', JSON.stringify({ ...state, supervisor: { pid: 4242 } })],
    ['another version', JSON.stringify({ ...state, version: 2 })],
  ])('is ignored when it holds %s', (_what, content) => {
    writeState(paths, state);
    writeFileSync(paths.state, content);
    expect(readState(paths)).toBeUndefined();
  });
});

describe('urlsOf', () => {
  const complete: StackState['parts'] = {
    ...state.parts,
    registry: { kind: 'external', url: 'http://r' },
    redis: { kind: 'external', url: 'redis://h' },
  };

  it('prefers the environment', () => {
    expect(urlsOf(complete, { kafka: 'other:9092' })).toEqual({
      kafkaBrokers: 'other:9092',
      schemaRegistryUrl: 'http://r',
      mongodbUri: 'mongodb://m/',
      redisUrl: 'redis://h',
    });
  });

  it('names the variable of a missing part', () => {
    expect(() => urlsOf(state.parts)).toThrow(/SCHEMA_REGISTRY_URL/);
  });

  it('returns an environment file, with host and port of Redis in addition to its URL', () => {
    expect(envLines(urlsOf(complete))).toEqual([
      'KAFKA_BROKERS=127.0.0.1:9092',
      'SCHEMA_REGISTRY_URL=http://r',
      'MONGODB_URI=mongodb://m/',
      'REDIS_URL=redis://h',
      'REDIS_HOST=h',
      'REDIS_PORT=6379',
    ]);
  });
});
