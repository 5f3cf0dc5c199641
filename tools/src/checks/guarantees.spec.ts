import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';

const document = readFileSync(join(workspaceRoot, 'docs', 'guarantees.md'), 'utf8');
/** - `path/to/a.test.ts`: "the name of a test, or the part of it behind a parameter" */
const CITATION = /^- `([^`]+\.(?:spec|test|e2e)\.ts)`: "(.+)"$/gm;

/**
 * The sections of the document: one per guarantee, with its heading and the tests that it cites.
 */
const sections = document
  .split(/^## /m)
  .slice(1)
  .map((text) => ({
    guarantee: text.slice(0, text.indexOf(':')),
    cited: [...text.matchAll(CITATION)].map(([, file = '', name = '']) => ({ file, name })),
    items: text.split('\n').filter((line) => line.startsWith('- ')).length,
    disclaims: text.includes('\nNot promised: '),
  }));

describe('docs/guarantees.md', () => {
  it('has G1 to G10, each with tests and with what is not promised', () => {
    expect(sections.map(({ guarantee }) => guarantee)).toEqual(
      Array.from({ length: 10 }, (_, i) => `G${i + 1}`),
    );
    for (const { guarantee, cited, items, disclaims } of sections) {
      expect([guarantee, cited.length, disclaims]).toEqual([guarantee, items, true]);
      expect(cited.length).toBeGreaterThan(0);
    }
  });

  it('names only tests that exist', () => {
    const absent = sections
      .flatMap(({ cited }) => cited)
      .filter(({ file, name }) => {
        const path = join(workspaceRoot, file);
        return !existsSync(path) || !readFileSync(path, 'utf8').includes(name);
      });
    expect(absent).toEqual([]);
  });

  it('names only code that exists where it gives a whole path', () => {
    const paths = [...document.matchAll(/`((?:libs|services|tools)\/[^`]+)`/g)].map(([, path = '']) => path);
    expect(paths.filter((path) => !existsSync(join(workspaceRoot, path)))).toEqual([]);
  });
});
