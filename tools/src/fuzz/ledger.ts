import type { Verdict } from './judge.ts';
import type { PlacedCase } from './fuzz-case.ts';
import { accountOfCase } from './fuzz-case.ts';

/** An action that is stored. */
export interface StoredAction {
  readonly actionId: string;
  readonly accountId: string;
  readonly total: number;
}

/** What is stored after a round, when everything has ended. */
export interface LedgerReport {
  /** Every action that was not there before the round, but for those that the round needs itself. */
  readonly stored: readonly StoredAction[];
  /** What is wrong with one of them, in words; empty when all is well. */
  readonly breaches: readonly string[];
}

/** Knows what the services have stored. */
export interface Ledger {
  /** Prepares a round. @returns texts of cases → what stands for them in this round, as long as they are. */
  begin(): Promise<ReadonlyMap<string, string>>;
  /** Brings every action to its end and counts its outcomes. */
  settle(signal: AbortSignal): Promise<LedgerReport>;
  /** Whether there is such an action, whenever it was stored. */
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
 * Holds what is stored against what was promised: every action of a 202 is there with its total, and nothing else, unless a
 * client left before its answer came.
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
      breach: `${nobodys} actions are stored that nobody was promised; ${open} clients left before their answer came`,
    });
  return found;
}
