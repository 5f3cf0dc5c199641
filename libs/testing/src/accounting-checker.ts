import {
  addTallies,
  driftOf,
  EMPTY_TALLY,
  hasFailed,
  OUTCOME_CODES,
  success,
  tally,
  type Outcome,
  type Tally,
} from '@bulk/domain';
import type { Database, LoggedOutcome } from '@bulk/mongo';
import type { ModelOutcome } from './sequential-model.ts';

/** The invariants of an action that ended or was cancelled, whatever failed meanwhile (G2, G3). */
export interface AccountingReport {
  readonly total: number;
  /** Counts of the action document. */
  readonly counted: Tally;
  /** The counts, recomputed from the logs. */
  readonly logged: Tally;
  /** The outcome of each position, in order. */
  readonly outcomes: readonly LoggedOutcome[];
  /** Every breach, in words; empty if there is none. */
  readonly breaches: readonly string[];
}

/**
 * Recomputes an action's counts from its logs and checks them: every position from 0 to total - 1 has exactly one
 * outcome, and the counts and codes are those of the logs.
 *
 * @throws Error if there is no such action.
 */
export async function checkAccounting(database: Database, actionId: string): Promise<AccountingReport> {
  const action = await database.actions.findOne({ _id: actionId });
  if (action === null) throw new Error(`there is no action ${actionId}`);
  const logs = await database.actionLogs.find({ actionId }).toArray();
  const outcomes = logs.flatMap((log) => log.outcomes).sort((a, b) => a.position - b.position);
  const { counts, codes, effects } = action;
  const counted: Tally = { ...counts, codes, ...(effects === undefined ? {} : { effects }) };
  const logged = logs.reduce<Tally>(
    (sum, log) => addTallies(sum, tally(log.outcomes.map(toOutcome))),
    EMPTY_TALLY,
  );
  const breaches = [...positionBreaches(outcomes, action.total), ...tallyBreaches(counted, logged)];
  const sum = counted.success + counted.failure + counted.skipped;
  if (sum !== action.total) breaches.push(`success + failure + skipped is ${sum}, total is ${action.total}`);
  const cancelled = (counted.codes[OUTCOME_CODES.ACTION_CANCELLED] ?? 0) > 0;
  const ended = hasFailed(action.failureLimit) ? 'failed' : cancelled ? 'cancelled' : 'completed';
  if (action.status !== ended) {
    breaches.push(`the action is ${action.status}, with the codes ${JSON.stringify(counted.codes)}`);
  }
  return { total: action.total, counted, logged, outcomes, breaches };
}

/** Returns logged outcomes as the sequential model has them. */
export function modelled(outcomes: readonly LoggedOutcome[]): ModelOutcome[] {
  return outcomes.map(({ position, entityId, status, code, effect = null }) => ({
    position,
    entityId,
    status,
    code,
    effect,
  }));
}

function positionBreaches(outcomes: readonly LoggedOutcome[], total: number): string[] {
  const breaches: string[] = [];
  outcomes.forEach(({ position }, i) => {
    const before = outcomes[i - 1]?.position ?? -1;
    if (position === before) breaches.push(`position ${position} has more than one outcome`);
    else if (position !== before + 1)
      breaches.push(`no outcome for positions ${before + 1} to ${position - 1}`);
  });
  const last = outcomes.at(-1)?.position ?? -1;
  if (last !== total - 1) breaches.push(`the last position with an outcome is ${last}, of ${total}`);
  return breaches;
}

function tallyBreaches(counted: Tally, logged: Tally): string[] {
  return driftOf(counted, logged).map(
    (figure) => `${figure.what} is counted ${figure.counted} times and logged ${figure.logged} times`,
  );
}

function toOutcome({ status, code, message, effect }: LoggedOutcome): Outcome {
  return status === 'success' ? success(effect) : { status, code: code ?? '', message: message ?? '' };
}
