import {
  CodedError,
  driftOf,
  isAccepted,
  isFinal,
  judgedLimit,
  Ledger,
  NO_EFFECTS,
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

/** The differences between the counts of an action and its logs. */
export interface Reconciliation {
  readonly actionId: string;
  readonly status: ActionStatus;
  /** Figures of the action that differ from its logs, including `countedBatches` and `status`. */
  readonly drift: readonly (
    CountDrift | { readonly what: 'status'; readonly counted: string; readonly logged: string }
  )[];
  /**
   * Positions without an outcome. In an action that has ended they are a breach of a guarantee; otherwise they are
   * still to come.
   */
  readonly missing: readonly PositionRange[];
  /** Number of surplus outcomes: second ones of a position, and those of positions that the action does not have. */
  readonly surplus: number;
}

/** Thrown when an action keeps changing during the repair of its counts. Nothing was changed. */
export class ReconcileContendedError extends CodedError {
  constructor(actionId: string) {
    super('RECONCILE_CONTENDED', `action ${actionId} keeps changing; repair its counts when it is idle`, {
      retryable: true,
    });
  }
}

const REPAIR_TRIES = 10;

/**
 * Recomputes an action's counts from its logs, in bounded memory.
 *
 * For a running action, only the logs that its counts claim to contain (`applied`) are read. The other logs are not
 * counted yet.
 *
 * @returns undefined if there is no such action, or it is not accepted yet.
 */
export async function reconcile(database: Database, actionId: string): Promise<Reconciliation | undefined> {
  return (await compare(database, actionId))?.found;
}

/**
 * Sets an action's counts, codes, counted batches and status to those of its logs. It never changes a log.
 *
 * It writes only if the action has not changed since it was read. If a count arrives in between, it reads again and
 * computes everything again, so no count is lost.
 *
 * @returns the repaired differences; undefined if there is no such action.
 * @throws ReconcileContendedError if the action changed at every try.
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
  /** Whether the failures exceed the limit, so that the action has failed. */
  readonly limitReached: boolean;
  readonly found: Reconciliation;
}

async function compare(database: Database, actionId: string): Promise<Compared | undefined> {
  // The action is read before its logs: the outcomes that it claims to contain were logged before that.
  const action = await database.actions.findOne({ _id: actionId });
  if (action === null) return undefined;
  const { status: before } = action;
  if (!isAccepted(before)) return undefined;
  const ledger = await ledgerOf(database, action);
  const { total, counts, codes, effects, cancelRequestedAt } = action;
  const stopping = cancelRequestedAt !== null;
  // Failures are judged only at the end: a repair neither pauses an action nor gives up its rest.
  const limit =
    processed(ledger.tally) < total
      ? action.failureLimit
      : judgedLimit(action.failureLimit, ledger.tally, { ended: isFinal(before), stopping, total });
  const stage = outcomeStage(ledger.tally, total, limit, stopping);
  const status = stage === 'halted' ? before : statusAfterOutcomes(before, stage);
  const counted = { ...counts, codes, ...(effects === undefined ? {} : { effects }) };
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
  return { action, ledger, status, limitReached: status === 'failed', found };
}

async function ledgerOf(database: Database, { _id, total, applied }: ActionDocument): Promise<Ledger> {
  const ledger = new Ledger(total);
  const logs = database.actionLogs
    .find(
      { actionId: _id },
      {
        projection: {
          source: 1,
          'outcomes.position': 1,
          'outcomes.status': 1,
          'outcomes.code': 1,
          'outcomes.effect': 1,
        },
      },
    )
    .sort({ actionId: 1, partition: 1, batchNo: 1 })
    .batchSize(100);
  for await (const { source, outcomes } of logs) {
    if (source.offset <= (applied[String(source.partition)] ?? -1)) ledger.add(outcomes);
  }
  return ledger;
}

/** Writes the repair. @returns false if the action has changed since it was read. */
async function write(
  database: Database,
  { action, ledger, status, limitReached }: Compared,
  now: Date,
): Promise<boolean> {
  const { success, failure, skipped, codes, effects } = ledger.tally;
  const begun = processed(ledger.tally) > 0;
  // Times of an action never go backwards, whatever the clock of this process shows.
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
      ...(action.effects === undefined ? {} : { effects: { ...NO_EFFECTS, ...effects } }),
      limitReached,
      countedBatches: ledger.batches,
      status,
      startedAt: action.startedAt ?? (begun ? at : null),
      finishedAt: action.finishedAt ?? (isFinal(status) ? at : null),
      updatedAt: at,
    }),
  );
  return modifiedCount === 1;
}
