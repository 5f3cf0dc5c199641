import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';

const document = readFileSync(join(workspaceRoot, 'SECURITY.md'), 'utf8');
const section = document.split(/^## /m).find((text) => text.startsWith('Threats\n')) ?? '';
/** The rows of the table below its head, as cells. */
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
/** `path/to/a.test.ts`: "the name of a test, or a part of it" */
const CITATION = /^`([^`]+\.(?:spec|test|e2e)\.ts)`: "(.+)"$/;

describe('the threats of SECURITY.md', () => {
  it('say who, what and how it is prevented, and name a test', () => {
    expect(rows.length).toBeGreaterThan(10);
    for (const cells of rows) {
      expect([cells, cells.length]).toEqual([cells, 4]);
      expect(cells.filter((cell) => cell === '')).toEqual([]);
      expect(cells[3]).toMatch(CITATION);
    }
  });

  it('name only tests that exist', () => {
    const absent = rows.filter((cells) => {
      const [, file = '', title = ''] = CITATION.exec(cells[3] ?? '') ?? [];
      const path = join(workspaceRoot, file);
      return !existsSync(path) || !readFileSync(path, 'utf8').includes(title);
    });
    expect(absent).toEqual([]);
  });
});
