import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { noteSkipped, type SkippedCheck } from './skipped.ts';

interface Report {
  readonly testResults: readonly { assertionResults: readonly { status: string; fullName: string }[] }[];
}
// Plain JavaScript, because the run of the tests needs it before TypeScript can be loaded.
const path = '../../skipped-checks.mjs';
const { skippedChecks } = (await import(path)) as {
  skippedChecks: (file: string, reports: readonly Report[]) => SkippedCheck[];
};

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulk-skipped-'));
  file = join(folder, 'skipped');
});
afterEach(() => rmSync(folder, { recursive: true }));

const reportOf = (status: string, fullName: string): Report => ({
  testResults: [
    {
      assertionResults: [
        { status, fullName },
        { status: 'passed', fullName: 'passes' },
      ],
    },
  ],
});

describe('skipped checks', () => {
  it('are listed in the order in which they were noted, each with its reason on one line', () => {
    const env = { BULK_SKIPPED_CHECKS: file };
    noteSkipped({ name: 'audit', reason: 'the registry has none' }, env);
    noteSkipped({ name: 'the images are built', reason: 'no engine:\n  it does not start\n' }, env);
    expect(skippedChecks(file, [])).toEqual([
      { name: 'audit', reason: 'the registry has none' },
      { name: 'the images are built', reason: 'no engine: it does not start' },
    ]);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(2);
  });

  it('include tests that are marked as skipped, with their reason if one was noted', () => {
    noteSkipped({ name: 'the images are built', reason: 'no engine' }, { BULK_SKIPPED_CHECKS: file });
    const reports = [reportOf('pending', 'the images are built'), reportOf('todo', 'is to come')];
    expect(skippedChecks(file, reports)).toEqual([
      { name: 'the images are built', reason: 'no engine' },
      { name: 'is to come', reason: 'the test is marked as skipped in its source' },
    ]);
  });

  it('are empty when all checks ran', () => {
    expect(skippedChecks(file, [reportOf('failed', 'fails')])).toEqual([]);
  });
});
