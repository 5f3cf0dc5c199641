import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceRoot } from '@bulk/local-stack';
import { noteSkipped } from '../skipped.ts';
import { exceptionsSchema, judge } from './judge.ts';

const EXCEPTIONS_FILE = 'audit-exceptions.json';
const TIMEOUT_MS = 120_000;
const EXIT = { clean: 0, faults: 1, unknown: 2 } as const;

/**
 * Returns the standard output of npm's audit of the production dependencies. Its exit code says
 * less than its report.
 */
function npmAudit(): Promise<string> {
  return new Promise((resolve) => {
    const args = ['audit', '--omit=dev', '--json'];
    execFile(
      'npm',
      args,
      { cwd: workspaceRoot, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 },
      (_, stdout) => resolve(stdout),
    );
  });
}

const text = readFileSync(join(workspaceRoot, EXCEPTIONS_FILE), 'utf8');
const exceptions = exceptionsSchema.safeParse(JSON.parse(text));
if (!exceptions.success) {
  for (const { path, message } of exceptions.error.issues) {
    console.error(`audit: ${EXCEPTIONS_FILE}: ${path.join('.')}: ${message}`);
  }
  process.exit(EXIT.faults);
}
const verdict = judge(await npmAudit(), exceptions.data, new Date());
if (verdict.kind === 'unknown') {
  noteSkipped({ name: 'audit', reason: `the audit has no result: ${verdict.reason}` });
  process.exit(EXIT.unknown);
}
for (const line of verdict.excepted) console.log(`audit: excepted: ${line}`);
for (const line of verdict.faults) console.error(`audit: ${line}`);
console.log(
  `audit: ${verdict.faults.length} to fix, ${verdict.excepted.length} excepted in ${EXCEPTIONS_FILE}`,
);
process.exit(verdict.faults.length === 0 ? EXIT.clean : EXIT.faults);
