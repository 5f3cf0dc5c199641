import { appendFileSync } from 'node:fs';

/**
 * Variable with the path of the file that records skipped checks, one JSON line each.
 *
 * tools/test.mjs reads the file.
 */
const FILE_VARIABLE = 'BULK_SKIPPED_CHECKS';

/** A check that cannot run here. */
export interface SkippedCheck {
  readonly name: string;
  /** The reason, in one line. */
  readonly reason: string;
}

/**
 * Records that a check cannot run here, so that the run of the tests does not count it as passed.
 *
 * The run reports it before its last line (`SKIPPED <name>: <reason>`). Outside of such a run it is
 * reported at once.
 */
export function noteSkipped({ name, reason }: SkippedCheck, env = process.env): void {
  const skipped = { name, reason: reason.trim().replaceAll(/\s*\n\s*/g, ' ') };
  const file = env[FILE_VARIABLE];
  if (file === undefined) process.stderr.write(`SKIPPED ${skipped.name}: ${skipped.reason}\n`);
  else appendFileSync(file, `${JSON.stringify(skipped)}\n`);
}
