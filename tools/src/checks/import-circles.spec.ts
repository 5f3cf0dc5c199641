import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Linter, type Rule } from 'eslint';

const path = '../../import-circles.mjs';
const { noImportCircles } = (await import(path)) as { noImportCircles: Rule.RuleModule };

const folder = mkdtempSync(join(tmpdir(), 'circles-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the files and returns what the rule says about each of them. */
function circlesIn(files: Readonly<Record<string, string>>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const linter = new Linter({ cwd: folder });
  const plugins = { workspace: { rules: { circles: noImportCircles } } };
  const config: Linter.Config[] = [{ files: ['**/*.js'], plugins, rules: { 'workspace/circles': 'error' } }];
  return Object.entries(files).flatMap(([name, text]) =>
    linter.verify(text, config, join(folder, name)).map(({ message }) => message),
  );
}

describe('the rule against circles of imports', () => {
  it('names each file of a circle at each import that closes it', () => {
    const circle = circlesIn({
      'a.js': "import { b } from './rooms/b.js';\nexport const a = b;\n",
      'rooms/b.js': "export { c as b } from '../c.js';\n",
      'c.js': "import {\n  a,\n} from './a.js';\nexport const c = () => a;\n",
    });
    expect(circle).toEqual([
      'This import closes a circle: rooms/b.js → c.js → a.js',
      'This import closes a circle: c.js → a.js → rooms/b.js',
      'This import closes a circle: a.js → rooms/b.js → c.js',
    ]);
  });

  it('sees a circle that an import at run time closes', () => {
    const circle = circlesIn({
      'd.js': "export const later = () => import('./e.js');\n",
      'e.js': "export * from './d.js';\n",
    });
    expect(circle).toHaveLength(2);
  });

  it('accepts two ways to the same file, and imports of packages', () => {
    const fine = circlesIn({
      'f.js': "import 'node:fs';\nimport './g.js';\nimport './h.js';\n",
      'g.js': "import './h.js';\n",
      'h.js': 'export const h = 1;\n',
    });
    expect(fine).toEqual([]);
  });
});
