import type { ActionDocument, ActionLogDocument, Database } from '@bulk/mongo';
import { randomUUID } from 'node:crypto';
import type { IntakeParts } from './intake-parts.ts';

/** Number of documents per insert. */
const CHUNK = 1_000;
/** Number of positions of each action. */
const POSITIONS = 3;
const NEVER = new Date('2999-01-01T00:00:00Z');

/** One action of each kind, as intake itself stores it. */
export interface Templates {
  readonly scheduled: ActionDocument;
  readonly paused: ActionDocument;
  readonly due: ActionDocument;
}

/** Returns an id that sorts by creation time, as the ids of actions do. */
export function timeOrderedId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/**
 * Stages actions with intake's own code, so that copies of them have all the fields that its
 * queries use.
 */
export async function stageTemplates(
  database: Database,
  { StagingArea, ActionControl, ActionStore }: IntakeParts,
  log: unknown,
): Promise<Templates> {
  const now = (): Date => new Date();
  const options = {
    batchSize: 100,
    partitions: 12,
    groupBatches: 20,
    maxEntityBytes: 10_000,
    filterPulseMs: 10_000,
    lateWriteMs: 1_000,
    now,
  };
  const staging = new StagingArea(database, options, log);
  const staged = async (scheduledFor: Date | null): Promise<ActionDocument> => {
    const identity = {
      actionId: randomUUID(),
      accountId: 'bench',
      actionType: 'update',
      entityType: 'contact',
      lane: 'normal',
    };
    const entities = Array.from({ length: POSITIONS }, (_, i) => ({ id: `c${i}`, lastName: 'Noether' }));
    return staging.stage({ identity, config: {}, dryRun: false, scheduledFor, retryOf: null }, entities);
  };
  const [scheduled, due, toPause] = [await staged(NEVER), await staged(null), await staged(null)];
  const actions = new ActionStore(database);
  await new ActionControl({ database, actions, onChanged: () => undefined, now }).pause('bench', toPause._id);
  const paused = (await database.actions.findOne({ _id: toPause._id })) ?? toPause;
  await database.actions.deleteMany({});
  await database.stagedBatches.deleteMany({});
  return { scheduled, due, paused };
}

/** Returns the same action at its end. */
export function endedOf(action: ActionDocument, finishedAt: Date, purged: boolean): ActionDocument {
  return {
    ...action,
    status: 'completed',
    scheduledFor: null,
    counts: { success: action.total - 1, failure: 1, skipped: 0 },
    countedBatches: action.batchCount,
    dispatch: { nextBatch: action.batchCount, done: true, lease: null, ...(purged ? { purged } : {}) },
    queuedAt: finishedAt,
    startedAt: finishedAt,
    finishedAt,
  };
}

/** Inserts `count` copies, each changed by `change`. */
export async function insertCopies<T extends { readonly _id: string }>(
  insert: (documents: T[]) => Promise<unknown>,
  count: number,
  copy: (index: number) => T,
  signal: AbortSignal,
): Promise<void> {
  for (let from = 0; from < count; from += CHUNK) {
    signal.throwIfAborted();
    await insert(Array.from({ length: Math.min(CHUNK, count - from) }, (_, i) => copy(from + i)));
  }
}

/**
 * Builds log `batchNo` of an action. The first log of each of the action's partitions has a
 * failure, the others have none.
 */
export function logOf(
  actionId: string,
  batchNo: number,
  size: number,
  partitions: number,
): ActionLogDocument {
  const failure = batchNo < partitions ? 1 : 0;
  const outcomes = Array.from({ length: size }, (_, i) => {
    const failed = i < failure;
    return {
      position: batchNo * size + i,
      entityId: `c${i}`,
      ref: null,
      status: failed ? ('failure' as const) : ('success' as const),
      code: failed ? 'ENTITY_NOT_FOUND' : null,
      message: failed ? 'no contact has this id' : null,
      attempts: 1,
    };
  });
  return {
    _id: `${actionId}:${batchNo}`,
    actionId,
    batchNo,
    partition: batchNo % partitions,
    firstPosition: batchNo * size,
    lastPosition: (batchNo + 1) * size - 1,
    counts: { success: size - failure, failure, skipped: 0 },
    outcomes,
    source: { partition: 0, offset: batchNo },
    at: new Date(),
  };
}
