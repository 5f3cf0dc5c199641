import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { RIGHTS_FILE, withRightsTable } from './rights-table.ts';

const root = resolve(import.meta.dirname, '../../../..');

describe('the table of rights', () => {
  it('in docs/operations/rights.md equals the one of the code (else: npm run docs)', async () => {
    const reference = readFileSync(join(root, RIGHTS_FILE), 'utf8');
    expect(await withRightsTable(reference, root)).toBe(reference);
  });

  it('requires its markers', async () => {
    await expect(withRightsTable('no markers', root)).rejects.toThrow('lacks <!-- rights:start -->');
  });
});
