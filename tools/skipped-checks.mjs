import { existsSync, readFileSync } from 'node:fs';

/**
 * The checks that a run of tests did not make, and why: those that were noted by `noteSkipped`, and tests that are marked
 * as skipped in their source.
 *
 * @param {string} file a JSON line for each one that was noted; need not be there
 * @param {readonly { testResults: readonly { assertionResults: readonly { status: string, fullName: string }[] }[] }[]} reports of jest
 * @returns {{ name: string, reason: string }[]} each name once
 */
export function skippedChecks(file, reports) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const noted = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const pending = reports
    .flatMap(({ testResults }) => testResults.flatMap(({ assertionResults }) => assertionResults))
    .filter(({ status }) => status === 'pending' || status === 'todo')
    .map(({ fullName }) => ({ name: fullName, reason: 'the test is marked as skipped in its source' }));
  const byName = new Map([...pending, ...noted].map((check) => [check.name, check]));
  return [...byName.values()];
}
