import type { Verdict } from './judge.ts';
import type { PlacedCase } from './fuzz-case.ts';
import { accountOfCase } from './fuzz-case.ts';

/** A stored action. */
export interface StoredAction {
  readonly actionId: string;
  readonly accountId: string;
  readonly total: number;
}

/** What is stored after a round, when everything has ended. */
export interface LedgerReport {
  /** Every action that is new in the round, except those that the round itself needs. */
  readonly stored: readonly StoredAction[];
  /** What is wrong with the actions, in words; empty if all is well. */
  readonly breaches: readonly string[];
}

/** Reads what the services have stored. */
export interface Ledger {
  /**
   * Prepares a round.
   *
   * @returns texts of cases → their replacements of the same length in this round.
   */
  begin(): Promise<ReadonlyMap<string, string>>;
  /** Brings every action to its end and counts its outcomes. */
  settle(signal: AbortSignal): Promise<LedgerReport>;
  /** Returns whether the action exists, whenever it was stored. */
  has(actionId: string): Promise<boolean>;
}

export interface JudgedCase {
  readonly placed: PlacedCase;
  readonly verdict: Verdict;
}

/** A breach that belongs to a case, or to the round as a whole. */
export interface LedgerBreach {
  readonly placed: PlacedCase | undefined;
  readonly breach: string;
}

/**
 * Compares what is stored with what was promised.
 *
 * Every action of a 202 exists with its total, and there are no others, unless a client left before
 * its answer came.
 */
export async function compareWithLedger(
  cases: readonly JudgedCase[],
  { stored, breaches }: LedgerReport,
  ledger: Pick<Ledger, 'has'>,
): Promise<LedgerBreach[]> {
  const found: LedgerBreach[] = breaches.map((breach) => ({ placed: undefined, breach }));
  const byId = new Map(stored.map((action) => [action.actionId, action]));
  const promised = new Set<string>();
  for (const { placed, verdict } of cases) {
    for (const { actionId, total } of verdict.accepted) {
      promised.add(actionId);
      const action = byId.get(actionId);
      if (action === undefined ? !(await ledger.has(actionId)) : action.total !== total)
        found.push({
          placed,
          breach: `action ${actionId} of ${total} positions is promised and not stored so`,
        });
    }
  }
  const byAccount = new Map(cases.map((judged) => [accountOfCase(judged.placed), judged]));
  const surplus = stored.filter(({ actionId }) => !promised.has(actionId));
  for (const { actionId, accountId } of surplus) {
    const judged = byAccount.get(accountId);
    if (judged?.verdict.isSettled === true)
      found.push({ placed: judged.placed, breach: `action ${actionId} is stored and was not accepted` });
  }
  const nobodys = surplus.filter(({ accountId }) => !byAccount.has(accountId)).length;
  const open = cases.filter(({ verdict }) => !verdict.isSettled).length;
  if (nobodys > open)
    found.push({
      placed: undefined,
      breach: `${nobodys} stored actions were not promised to any client; ${open} clients left before their answer came`,
    });
  return found;
}
