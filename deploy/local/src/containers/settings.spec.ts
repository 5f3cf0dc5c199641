import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { StackError } from '../errors.ts';
import { packageRoot } from '../paths.ts';
import { readTestStackSettings, testStackSchema } from './settings.ts';

const standard = {
  kafka: 'apache/kafka:4.1.1',
  registry: 'apicurio/apicurio-registry-mem:2.6.13.Final',
  mongo: 'mongo:8',
  redis: 'redis:7.4',
};

describe('readTestStackSettings', () => {
  it('uses the official images, which variables replace', () => {
    expect(readTestStackSettings({}).images).toEqual(standard);
    const mirrored = readTestStackSettings({ TEST_IMAGE_KAFKA: 'mirror.example:5000/apache/kafka:4.1.1' });
    expect(mirrored.images).toEqual({ ...standard, kafka: 'mirror.example:5000/apache/kafka:4.1.1' });
  });

  it('bounds the time of the start', () => {
    expect(readTestStackSettings({}).startMs).toBe(300_000);
    expect(readTestStackSettings({ TEST_CONTAINERS_START_MS: '20000' }).startMs).toBe(20_000);
  });

  it.each([
    ['TEST_STACK', 'docker'],
    ['TEST_IMAGE_REDIS', 'not an image'],
    ['TEST_CONTAINERS_START_MS', 'soon'],
  ])('refuses %s=%s by name', (variable, value) => {
    const reading = (): unknown => readTestStackSettings({ [variable]: value });
    expect(reading).toThrow(StackError);
    expect(reading).toThrow(`${variable} ("${value}")`);
  });
});

describe('the README of the local stack', () => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const rows = new Map(
    [...readme.matchAll(/^\| `(TEST_\w+)` +\| `?(.*?)`? +\| (.*?) +\|$/gm)].map((row) => [
      row[1],
      { standard: row[2], meaning: row[3] },
    ]),
  );

  it('describes each variable as the schema does', () => {
    const defaults = testStackSchema.parse({});
    const expected = Object.entries(testStackSchema.shape).map(([name, schema]) => {
      const value = defaults[name as keyof typeof defaults];
      return [
        name,
        { standard: value === undefined ? 'what is at hand' : String(value), meaning: schema.description },
      ];
    });
    expect([...rows]).toEqual(expected);
  });
});
