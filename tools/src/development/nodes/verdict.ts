const LAST_LINE = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm;

/** The figures of one run of tests. */
export interface Figures {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One row of the table: a suite on a version of Node. */
export interface NodeRun {
  readonly version: string;
  readonly suite: string;
  /** `undefined` if the run ended without its last line. */
  readonly figures: Figures | undefined;
  readonly exitCode: number;
  readonly seconds: number;
}

/**
 * Reads the figures from the last line of `tools/test.mjs`.
 *
 * @returns undefined if the output has no such line.
 */
export function readFigures(output: string): Figures | undefined {
  const last = [...output.matchAll(LAST_LINE)].at(-1);
  if (last === undefined) return undefined;
  const [, passed, failed, skipped = '0'] = last;
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

/** Returns whether a run passed: it ended by itself, and no test failed. */
export function hasPassed({ figures, exitCode }: NodeRun): boolean {
  return exitCode === 0 && figures !== undefined && figures.failed === 0 && figures.passed > 0;
}

/** Formats the runs as the lines of a table, with a verdict for each. */
export function tableOf(runs: readonly NodeRun[]): string[] {
  const head = ['Node', 'suite', 'passed', 'failed', 'skipped', 'seconds', 'verdict'];
  const rows = runs.map((run) => [
    run.version,
    run.suite,
    String(run.figures?.passed ?? '-'),
    String(run.figures?.failed ?? '-'),
    String(run.figures?.skipped ?? '-'),
    run.seconds.toFixed(0),
    hasPassed(run) ? 'ok' : `FAILED (exit code ${run.exitCode})`,
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
