import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { withConfigTable } from './config-table.ts';
import { DOCS_FILE } from './generated-section.ts';

const root = resolve(import.meta.dirname, '../../..');
const readme = readFileSync(join(root, DOCS_FILE), 'utf8');

describe('the configuration table', () => {
  it('in README.md is the one that the code gives (else: npm run docs)', async () => {
    expect(await withConfigTable(readme, root)).toBe(readme);
  });

  it('names variables with default, services and meaning', async () => {
    const table = await withConfigTable('<!-- config:start --><!-- config:end -->', root);
    expect(table).toMatch(/^\| `KAFKA_BROKERS` +\| `127\.0\.0\.1:9092` +\| all +\| Brokers/m);
    expect(table).toMatch(/^\| `REDIS_URL` +\| +\| (all|.*handler.*) +\| Redis;/m);
  });

  it('needs its markers', async () => {
    await expect(withConfigTable('no markers', root)).rejects.toThrow('lacks <!-- config:start -->');
  });
});
