import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CONFIGURATION_FILE, withConfigTable } from './config-table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const reference = readFileSync(join(root, CONFIGURATION_FILE), 'utf8');

describe('the configuration table', () => {
  it('in docs/reference/configuration.md equals the one of the code (else: npm run docs)', async () => {
    expect(await withConfigTable(reference, root)).toBe(reference);
  });

  it('lists variables with default, services and meaning', async () => {
    const table = await withConfigTable('<!-- config:start --><!-- config:end -->', root);
    expect(table).toMatch(
      /^\| `KAFKA_BROKERS` +\| `127\.0\.0\.1:9092` +\| all +\| Addresses of the brokers/m,
    );
    expect(table).toMatch(/^\| `REDIS_URL` +\| +\| (all|.*handler.*) +\| URL of Redis;/m);
  });

  it('requires its markers', async () => {
    await expect(withConfigTable('no markers', root)).rejects.toThrow('lacks <!-- config:start -->');
  });
});
