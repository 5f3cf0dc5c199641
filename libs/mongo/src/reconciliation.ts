import {
  CodedError,
  driftOf,
  isAccepted,
  isFinal,
  Ledger,
  outcomeStage,
  processed,
  statusAfterOutcomes,
  type ActionStatus,
  type CountDrift,
  type PositionRange,
} from '@bulk/domain';
import { repaired } from './actions/status-updates.ts';
import type { Database } from './database.ts';
import type { ActionDocument } from './documents.ts';

/** What an action's counts are, beside what its logs say. */
export interface Reconciliation {
  readonly actionId: string;
  readonly status: ActionStatus;
  /** Figures of the action that are not those of its logs; `countedBatches` and `status` among them. */
  readonly drift: readonly (
    CountDrift | { readonly what: 'status'; readonly counted: string; readonly logged: string }
  )[];
  /** Positions without an outcome: of an action that has ended, a breach; of another, what is still to come. */
  readonly missing: readonly PositionRange[];
  /** Outcomes too many: further ones of a position, and those of positions that the action does not have. */
  readonly surplus: number;
}

/** Thrown when an action kept changing while its counts were to be repaired; nothing was changed. */
export class ReconcileContendedError extends CodedError {
  constructor(actionId: string) {
    super('RECONCILE_CONTENDED', `action ${actionId} keeps changing: repair it when it rests`, {
      retryable: true,
    });
  }
}

const REPAIR_TRIES = 10;

/**
 * Recomputes an action's counts from its logs, in bounded memory. Of a running action only those logs are taken that its
 * counts claim to hold (`applied`): the others are logged already and counted in a moment.
 *
 * @returns undefined when there is no such action, or it is not accepted yet.
 */
export async function reconcile(database: Database, actionId: string): Promise<Reconciliation | undefined> {
  return (await compare(database, actionId))?.found;
}

/**
 * Sets an action's counts, codes, counted batches and status to what its logs say; never touches a log. Only if nothing
 * has changed since they were read: a count that comes in between is not lost, it is read and all is computed anew.
 *
 * @returns what was repaired, as it was before; undefined when there is no such action.
 * @throws ReconcileContendedError when it changed in between time and again.
 */
export async function repair(
  database: Database,
  actionId: string,
  now: Date,
): Promise<Reconciliation | undefined> {
  for (let i = 0; i < REPAIR_TRIES; i += 1) {
    const compared = await compare(database, actionId);
    if (compared === undefined || compared.found.drift.length === 0) return compared?.found;
    if (await write(database, compared, now)) return compared.found;
  }
  throw new ReconcileContendedError(actionId);
}

interface Compared {
  readonly action: ActionDocument;
  readonly ledger: Ledger;
  readonly status: ActionStatus;
  readonly found: Reconciliation;
}

async function compare(database: Database, actionId: string): Promise<Compared | undefined> {
  // The action before its logs: what it claims to hold was logged before that.
  const action = await database.actions.findOne({ _id: actionId });
  if (action === null) return undefined;
  const { status: before } = action;
  if (!isAccepted(before)) return undefined;
  const ledger = await ledgerOf(database, action);
  const status = statusAfterOutcomes(before, outcomeStage(ledger.tally, action.total));
  const counted = { ...action.counts, codes: action.codes };
  const drift: Reconciliation['drift'] = [
    ...driftOf(counted, ledger.tally),
    ...(action.countedBatches === ledger.batches
      ? []
      : [{ what: 'countedBatches', counted: action.countedBatches, logged: ledger.batches }]),
    ...(before === status ? [] : [{ what: 'status' as const, counted: before, logged: status }]),
  ];
  const found = {
    actionId,
    status: before,
    drift,
    missing: ledger.missing(),
    surplus: ledger.doubled + ledger.beyond,
  };
  return { action, ledger, status, found };
}

async function ledgerOf(database: Database, { _id, total, applied }: ActionDocument): Promise<Ledger> {
  const ledger = new Ledger(total);
  const logs = database.actionLogs
    .find(
      { actionId: _id },
      { projection: { source: 1, 'outcomes.position': 1, 'outcomes.status': 1, 'outcomes.code': 1 } },
    )
    .sort({ actionId: 1, partition: 1, batchNo: 1 })
    .batchSize(100);
  for await (const { source, outcomes } of logs) {
    if (source.offset <= (applied[String(source.partition)] ?? -1)) ledger.add(outcomes);
  }
  return ledger;
}

/** @returns false when the action has changed since it was read. */
async function write(database: Database, { action, ledger, status }: Compared, now: Date): Promise<boolean> {
  const { success, failure, skipped, codes } = ledger.tally;
  const begun = processed(ledger.tally) > 0;
  // Times of an action never run backwards, whatever the clock here says.
  const { createdAt, queuedAt, startedAt, updatedAt } = action;
  const times = [createdAt, queuedAt, startedAt, updatedAt].map((time) => time?.getTime() ?? 0);
  const at = new Date(Math.max(now.getTime(), ...times));
  const { modifiedCount } = await database.actions.updateOne(
    {
      _id: action._id,
      version: action.version,
      ...Object.fromEntries(Object.entries(action.applied).map(([p, offset]) => [`applied.${p}`, offset])),
    },
    repaired({
      counts: { success, failure, skipped },
      codes,
      countedBatches: ledger.batches,
      status,
      startedAt: action.startedAt ?? (begun ? at : null),
      finishedAt: action.finishedAt ?? (isFinal(status) ? at : null),
      updatedAt: at,
    }),
  );
  return modifiedCount === 1;
}
