import { contact } from '@bulk/action-types';
import type { ActionStats, LogSummary } from '@bulk/contracts';
import { CodedError, type Fields } from '@bulk/domain';
import { entityKey, type Database, type EntityDocument } from '@bulk/mongo';
import type { Expectation } from './expectation.ts';

/** One figure compared with what the file implies. */
export interface Comparison {
  readonly what: string;
  readonly got: number;
  readonly implied: number;
}

/** Thrown when the outcome is not what the file implies. The message names each difference. */
export class UnexpectedOutcomeError extends CodedError {
  constructor(differences: readonly string[]) {
    const shown = differences.slice(0, 10).map((line) => `  ${line}`);
    const more =
      differences.length > shown.length ? `\n  … and ${differences.length - shown.length} more` : '';
    super('UNEXPECTED_OUTCOME', `the outcome is not what the file implies:\n${shown.join('\n')}${more}`);
  }
}

/** Compares the counts of the action and of its logs with what the file implies. */
export function compareCounts(stats: ActionStats, logs: LogSummary, expected: Expectation): Comparison[] {
  const codes = [...new Set([...Object.keys(expected.codes), ...Object.keys(logs.codes)])].sort();
  return [
    { what: 'success', got: stats.success, implied: expected.success },
    { what: 'failure', got: stats.failure, implied: expected.failure },
    { what: 'skipped', got: stats.skipped, implied: expected.skipped },
    ...codes.map((code) => ({ what: code, got: logs.codes[code] ?? 0, implied: expected.codes[code] ?? 0 })),
  ];
}

/**
 * Returns the differences in sentences, including those between the action's counts and its logs.
 */
export function differences(stats: ActionStats, logs: LogSummary, expected: Expectation): string[] {
  const wrong = compareCounts(stats, logs, expected)
    .filter(({ got, implied }) => got !== implied)
    .map(({ what, got, implied }) => `${what}: ${got}, and the file implies ${implied}`);
  const drift = (['success', 'failure', 'skipped'] as const)
    .filter((outcome) => stats[outcome] !== logs[outcome])
    .map((outcome) => `${outcome}: the counts say ${stats[outcome]}, the logs say ${logs[outcome]}`);
  return [...wrong, ...drift];
}

const CHUNK = 1_000;

/**
 * Checks every contact that the file names.
 *
 * Each contact that had to change has its values and was written after `since`. The contacts of
 * invalid rows were not.
 *
 * @returns what is wrong, in sentences.
 */
export async function verifyContacts(
  database: Database,
  accountId: string,
  expected: Expectation,
  since: Date,
): Promise<string[]> {
  const ids = [...expected.changed.keys(), ...expected.untouched];
  const wrong: string[] = [];
  for (let i = 0; i < ids.length; i += CHUNK) {
    const keys = ids.slice(i, i + CHUNK).map((id) => entityKey(accountId, id));
    const documents = await database
      .entities(contact.collection)
      .find({ _id: { $in: keys } })
      .toArray();
    const byId = new Map(documents.map((document) => [document.id, document]));
    for (const id of ids.slice(i, i + CHUNK)) {
      const fault = faultOf(byId.get(id), expected.changed.get(id), since);
      if (fault !== undefined) wrong.push(`${id} in MongoDB: ${fault}`);
    }
  }
  return wrong;
}

function faultOf(
  document: EntityDocument | undefined,
  change: Fields | undefined,
  since: Date,
): string | undefined {
  if (document === undefined) return 'is not there';
  const written = document.updatedAt >= since;
  if (change === undefined) return written ? 'was changed by an invalid row' : undefined;
  if (!written) return 'was not changed by this action';
  const field = Object.keys(change).find((name) => document[name] !== change[name]);
  return field === undefined ? undefined : `${field} is not what the file says`;
}
