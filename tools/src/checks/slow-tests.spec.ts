import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';

interface Test {
  readonly path: string;
}
const path = '../../jest-sequencer.mjs';
const { SLOW, default: SlowestFirst } = (await import(path)) as {
  readonly SLOW: ReadonlyMap<string, number>;
  readonly default: new () => { sort: (tests: readonly Test[]) => Test[] };
};

it('the list of slow test files names only files that exist, the slowest first', () => {
  expect([...SLOW.keys()].filter((file) => !existsSync(join(workspaceRoot, file)))).toEqual([]);
  expect([...SLOW.values()]).toEqual([...SLOW.values()].sort((a, b) => b - a));
});

it('slow test files are started before the others, and the larger ones of these first', () => {
  const test = (file: string): Test => ({ path: join(workspaceRoot, file) });
  const small = test('tools/src/checks/slow-tests.spec.ts');
  const large = test('services/intake/test/quotas.test.ts');
  const slow = test('e2e/images.e2e.ts');
  const slowest = test('e2e/three-brokers.e2e.ts');
  expect(new SlowestFirst().sort([small, slow, large, slowest])).toEqual([slowest, slow, large, small]);
});
