import type { BulkClient } from '@bulk/client';
import type { ActionStats, ActionView, LogSummary } from '@bulk/contracts';
import type { Database } from '@bulk/mongo';
import { relative } from 'node:path';
import { workspaceRoot } from '@bulk/local-stack';
import { thousands, type Screen } from '../../console/screen.ts';
import { ACTION_FILE, readActionFile, writeActionFile } from './action-file.ts';
import { expectationOf, type Expectation } from './expectation.ts';
import { progressDisplay } from './progress-bar.ts';
import { compareCounts, differences, UnexpectedOutcomeError, verifyContacts } from './verify.ts';

export interface DemoOptions {
  readonly screen: Screen;
  readonly client: BulkClient;
  readonly database: Database;
  readonly accountId: string;
  /** Number of seeded contacts. */
  readonly contacts: number;
  readonly signal: AbortSignal;
}

/** Longest time until the action's end, in ms. It is enough even for the slowest MongoDB. */
const TIMEOUT_MS = 300_000;

/**
 * Runs the file's action in view of the user and compares the outcome with what the file implies.
 *
 * @throws UnexpectedOutcomeError; the client's errors.
 */
export async function runDemoAction(options: DemoOptions): Promise<ActionView> {
  const { screen, client, database, accountId, contacts, signal } = options;
  writeActionFile(ACTION_FILE);
  const rows = readActionFile(ACTION_FILE);
  const expected = expectationOf(rows, contacts);
  const startedAt = performance.now();
  const action = await screen.step(
    'action',
    () => client.createAction({ actionType: 'update', entityType: 'contact', entities: rows }),
    ({ total }) =>
      `update of ${thousands(total)} contacts from ${relative(workspaceRoot, ACTION_FILE)} accepted`,
  );
  const display = progressDisplay(screen, action.total);
  try {
    await client.waitForCompletion(action.actionId, {
      onProgress: (update) => display.show(update),
      timeoutMs: TIMEOUT_MS,
      signal,
    });
  } finally {
    display.end();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const stats = await client.getStats(action.actionId);
  const logs = await client.getLogSummary(action.actionId);
  showCounts(screen, stats, logs, expected);
  const wrong = [
    ...differences(stats, logs, expected),
    ...(await verifyContacts(database, accountId, expected, new Date(action.createdAt))),
  ];
  if (wrong.length > 0) throw new UnexpectedOutcomeError(wrong);
  showVerdict(screen, expected, seconds);
  return action;
}

function showCounts(screen: Screen, stats: ActionStats, logs: LogSummary, expected: Expectation): void {
  screen.line();
  screen.line(screen.styled('dim', `  ${'outcome'.padEnd(20)}${'got'.padStart(8)}${'implied'.padStart(10)}`));
  for (const { what, got, implied } of compareCounts(stats, logs, expected)) {
    const right = got === implied;
    const mark = right ? screen.styled('green', '✓') : screen.styled('red', '✗');
    const indent = /^[A-Z]/.test(what) ? `  ${what}` : what;
    screen.line(
      `  ${indent.padEnd(20)}${thousands(got).padStart(8)}${thousands(implied).padStart(10)}  ${mark}`,
    );
  }
}

function showVerdict(screen: Screen, expected: Expectation, seconds: number): void {
  const rate = thousands(expected.total / seconds);
  screen.line();
  screen.labelled(
    'verified',
    `in MongoDB: ${thousands(expected.changed.size)} contacts carry their change, ` +
      `${thousands(expected.untouched.size)} named by invalid rows are as they were`,
  );
  screen.labelled(
    'speed',
    `${thousands(expected.total)} contacts in ${seconds.toFixed(1)} s: ${rate} a second, from request to last outcome`,
  );
}
