import { randomUUID } from 'node:crypto';
import { instantAfter, leaseFor, STAGING } from '@bulk/domain';
import {
  adoptUploadClaims,
  claimingUpload,
  removableUploads,
  unclaimedUpload,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import type { Filter } from 'mongodb';
import { removalGroups, removeGroup, removeStagedBatches, type EndedAction } from './removal.ts';

export interface JanitorOptions {
  /** Time without progress after which an upload counts as broken off, in ms. */
  readonly stagingTimeoutMs: number;
  /** How long an action's batches are kept after its end, in ms. */
  readonly stagedRetentionMs: number;
  /** How long a write of a broken-off upload may still arrive at MongoDB, in ms. */
  readonly lateWriteMs: number;
  readonly now: () => Date;
}

/** Number of actions that one sweep cleaned up. */
export interface Swept {
  /** Broken-off uploads. */
  readonly broken: number;
  /** Ended actions. */
  readonly ended: number;
}

/** One round: the actions that were due, of which this instance may have claimed fewer. */
interface Round {
  readonly due: number;
  readonly cleaned: number;
}

const NOTHING_DUE: Round = { due: 0, cleaned: 0 };

/** Largest number of actions that one round claims. */
const ROUND = 200;
/** Removals that run at the same time. */
const CONCURRENCY = 4;
/**
 * An instance that dies in a round leaves the round's actions to the others after this time, in ms.
 */
const CLAIM_MS = 600_000;

/**
 * Removes what broken-off uploads left, and the batches of actions that ended long ago.
 *
 * Every instance runs a janitor. Each round claims its actions, so two janitors share the work, and
 * a sweep repeats its rounds until one is not full, so the clean-up keeps up with any rate of
 * actions.
 */
export class Janitor {
  readonly #database: Database;
  readonly #options: JanitorOptions;
  readonly #log: Logger;

  constructor(database: Database, options: JanitorOptions, log: Logger) {
    this.#database = database;
    this.#options = options;
    this.#log = log;
  }

  /**
   * Cleans up everything that is due.
   *
   * @param signal stops the sweep after the commands that are under way, and hands back what it has
   * claimed.
   */
  async sweep(signal?: AbortSignal): Promise<Swept> {
    await adoptUploadClaims(this.#database);
    await this.#excludeAcceptance();
    const broken = await roundsOf(() => this.#removeBrokenUploads(signal), signal);
    const ended = await roundsOf(() => this.#purgeEnded(signal), signal);
    if (broken + ended > 0) this.#log.info({ broken, ended }, 'Clean-up finished');
    return { broken, ended };
  }

  /**
   * Claims uploads without progress, so that they can no longer be accepted.
   *
   * An upload that is slow and not dead fails at its next write. The removal waits until a write
   * that had passed its check before the claim must have arrived.
   */
  async #excludeAcceptance(): Promise<void> {
    const { now, stagingTimeoutMs, lateWriteMs } = this.#options;
    const at = now();
    await this.#database.actions.updateMany(
      { ...unclaimedUpload(), updatedAt: { $lt: instantAfter(at, -stagingTimeoutMs) } },
      { $set: claimingUpload({ reason: 'stalled', until: instantAfter(at, lateWriteMs) }) },
    );
  }

  async #removeBrokenUploads(signal?: AbortSignal): Promise<Round> {
    const { actions } = this.#database;
    const due = removableUploads(this.#options.now());
    const found = await actions.find(due, { projection: { _id: 1 }, limit: ROUND }).toArray();
    if (found.length === 0) return NOTHING_DUE;
    const mine = await this.#claim(found, due);
    await inTurns(mine.ids, signal, (actionId) => removeStagedBatches(this.#database, actionId, signal));
    if (signal?.aborted === true) {
      await actions.updateMany(mine.claimed, { $unset: { 'dispatch.cleanUp': '' } });
      return { due: found.length, cleaned: 0 };
    }
    const { deletedCount } = await actions.deleteMany({
      ...mine.claimed,
      status: STAGING,
      // Unless the upload has failed since, so that one of its writes may still arrive.
      'uploadClaim.until': { $lte: this.#options.now() },
    });
    for (const actionId of mine.ids) this.#log.info({ actionId }, 'Broken-off upload removed');
    return { due: found.length, cleaned: deletedCount };
  }

  async #purgeEnded(signal?: AbortSignal): Promise<Round> {
    const { actions } = this.#database;
    const now = this.#options.now();
    const found = await this.#endedLongAgo(now);
    if (found.length === 0) return NOTHING_DUE;
    // `$ne: true` differs from the conditions of the clean-up index on purpose: otherwise some
    // planners read that whole index instead of the ids.
    const unclaimed = { 'dispatch.purged': { $ne: true }, 'dispatch.cleanUp.until': { $not: { $gt: now } } };
    const mine = await this.#claim(found, unclaimed);
    const claimed = new Set(mine.ids);
    const groups = removalGroups(found.filter(({ _id }) => claimed.has(_id)));
    await inTurns(groups, signal, (group) => removeGroup(this.#database, group, signal));
    if (signal?.aborted === true) {
      await actions.updateMany(mine.claimed, { $unset: { 'dispatch.cleanUp': '' } });
      return { due: found.length, cleaned: 0 };
    }
    const { modifiedCount } = await actions.updateMany(mine.claimed, {
      $set: { 'dispatch.purged': true },
      $unset: { 'dispatch.cleanUp': '' },
    });
    return { due: found.length, cleaned: modifiedCount };
  }

  /**
   * Finds actions whose batches are due to be removed, without those that another janitor has
   * claimed.
   */
  async #endedLongAgo(now: Date): Promise<EndedAction[]> {
    // No condition but those of the index: every further one keeps some planners from the partial
    // index.
    const due = {
      'dispatch.purged': null,
      finishedAt: { $lt: instantAfter(now, -this.#options.stagedRetentionMs) },
    };
    const cursor = this.#database.actions.find(due, {
      projection: { batchCount: 1, 'dispatch.cleanUp.until': 1 },
      sort: { finishedAt: 1 },
      batchSize: ROUND,
    });
    const found: EndedAction[] = [];
    try {
      for await (const { _id, batchCount, dispatch } of cursor) {
        if (dispatch.cleanUp !== undefined && dispatch.cleanUp.until > now) continue;
        found.push({ _id, batchCount });
        if (found.length === ROUND) break;
      }
    } finally {
      await cursor.close();
    }
    return found;
  }

  /**
   * Claims those of the found actions that are still unclaimed.
   *
   * @returns their ids, and a filter that matches only them.
   */
  async #claim(
    found: readonly Pick<EndedAction, '_id'>[],
    unclaimed: Filter<ActionDocument>,
  ): Promise<{ ids: string[]; claimed: Filter<ActionDocument> }> {
    const _id = { $in: found.map((action) => action._id) };
    const cleanUp = leaseFor(`janitor ${randomUUID()}`, CLAIM_MS, this.#options.now());
    const claimed: Filter<ActionDocument> = { _id, 'dispatch.cleanUp.owner': cleanUp.owner };
    await this.#database.actions.updateMany({ ...unclaimed, _id }, { $set: { 'dispatch.cleanUp': cleanUp } });
    const mine = await this.#database.actions.find(claimed, { projection: { _id: 1 } }).toArray();
    return { ids: mine.map((action) => action._id), claimed };
  }
}

/** Repeats rounds until one is not full. @returns the number of actions that were cleaned up. */
async function roundsOf(round: () => Promise<Round>, signal?: AbortSignal): Promise<number> {
  let sum = 0;
  while (signal?.aborted !== true) {
    const { due, cleaned } = await round();
    sum += cleaned;
    if (due < ROUND) break;
  }
  return sum;
}

/** Processes the items, a few at a time, until all are done, one fails or the signal aborts. */
async function inTurns<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) {
      if (signal?.aborted === true) return;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
