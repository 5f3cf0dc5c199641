import { appendFileSync } from 'node:fs';

/** Variable that names the file in which skipped checks are noted, a JSON line each; tools/test.mjs reads it. */
const FILE_VARIABLE = 'BULK_SKIPPED_CHECKS';

/** A check that could not be made here. */
export interface SkippedCheck {
  readonly name: string;
  /** Why, in one line. */
  readonly reason: string;
}

/**
 * Notes that a check cannot be made here, so that the run of the tests says so before its last line
 * (`SKIPPED <name>: <reason>`) and does not count it as passed. Outside of such a run it is said at once.
 */
export function noteSkipped({ name, reason }: SkippedCheck, env = process.env): void {
  const skipped = { name, reason: reason.trim().replaceAll(/\s*\n\s*/g, ' ') };
  const file = env[FILE_VARIABLE];
  if (file === undefined) process.stderr.write(`SKIPPED ${skipped.name}: ${skipped.reason}\n`);
  else appendFileSync(file, `${JSON.stringify(skipped)}\n`);
}
