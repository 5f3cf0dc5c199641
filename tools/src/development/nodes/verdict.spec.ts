import { describe, expect, it } from '@jest/globals';
import { hasPassed, type NodeRun, readFigures, tableOf } from './verdict.ts';

const figures = { passed: 12, failed: 0, skipped: 0 };
const good: NodeRun = { version: '24.21.0', suite: 'unit', figures, exitCode: 0, seconds: 41.4 };

describe('the figures of a test run', () => {
  it('are read from its last line, not from a suite', () => {
    const output = 'PASS a.spec.ts\nunit: 3 passed, 1 failed\n12 passed, 0 failed\n';
    expect(readFigures(output)).toEqual(figures);
  });

  it('include the number of skipped checks when there are any', () => {
    expect(readFigures('12 passed, 1 failed, 2 skipped\n')).toEqual({ passed: 12, failed: 1, skipped: 2 });
  });

  it('are unknown when the run ended without its last line', () => {
    expect(readFigures('unit: 12 passed, 0 failed\nKilled\n')).toBeUndefined();
  });
});

describe('the verdict of a test run', () => {
  it('is passed when the run exited with 0 and tests passed', () => {
    expect(hasPassed(good)).toBe(true);
  });

  it.each<[string, Partial<NodeRun>]>([
    ['a test failed', { figures: { ...figures, failed: 1 } }],
    ['no test passed', { figures: { ...figures, passed: 0 } }],
    ['it ended with an exit code although no test failed', { exitCode: 1 }],
    ['it gave no figures', { figures: undefined }],
  ])('is failed when %s', (_what, change) => {
    expect(hasPassed({ ...good, ...change })).toBe(false);
  });
});

describe('the table of test runs', () => {
  it('has a row for each run with its verdict', () => {
    const cut: NodeRun = { ...good, suite: 'integration', figures: undefined, exitCode: 143, seconds: 601 };
    expect(tableOf([good, cut])).toEqual([
      'Node     suite        passed  failed  skipped  seconds  verdict',
      '24.21.0  unit         12      0       0        41       ok',
      '24.21.0  integration  -       -       -        601      FAILED (exit code 143)',
    ]);
  });
});
