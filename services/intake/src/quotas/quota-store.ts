import {
  chunksOf,
  CodedError,
  isAccepted,
  isFinal,
  UNFINISHED_STATUSES,
  type StoredStatus,
} from '@bulk/domain';
import {
  DUPLICATE_KEY,
  stored,
  StoreError,
  type AccountQuotaDocument,
  type ActionDocument,
  type Database,
  type QuotaHold,
} from '@bulk/mongo';
import { MongoServerError, type Filter, type UpdateFilter } from 'mongodb';
import {
  dayOf,
  exceededBy,
  SMALLEST_ACTION,
  type Amounts,
  type Quota,
  type QuotaLimits,
  type Usage,
} from './quota.ts';

/** Maximum number of tries of a change that meets a new day or a release in between. */
const ATTEMPTS = 8;
/** Maximum number of holds that one update adds or removes. */
const CHUNK = 100;
/** Maximum number of ids in one query for the statuses of actions. */
const LOOKED_UP = 1_000;
/** Projects everything of an account's usage except its holds. */
const USAGE = { holds: 0 } as const;

/**
 * Thrown when a hold has vanished while its request was staged, e.g. because the collection was
 * dropped.
 */
export class HoldLostError extends CodedError {
  constructor(actionId: string) {
    super('QUOTA_HOLD_LOST', `action ${actionId} holds nothing of the quotas of its account any more`, {
      retryable: true,
    });
  }
}

/** The result of a change of an account's usage. */
export interface Change {
  readonly usage: Usage;
  /**
   * `undefined` if the change was made. Otherwise nothing was changed, because this quota has no
   * room.
   */
  readonly exceeded: Quota | undefined;
}

/**
 * Counts what the work of each account takes of its quotas, in one document per account.
 *
 * One conditional update takes room, so that parallel requests and instances never get more than
 * there is. A hold is made after the document of its action and ends with the action. No service
 * has to report that end: when a request needs room, `reconcile` removes the holds of actions that
 * have ended or are gone. A crash therefore leaks nothing.
 */
export class QuotaStore {
  readonly #database: Database;
  readonly #limits: QuotaLimits;
  readonly #now: () => Date;

  constructor(database: Database, limits: QuotaLimits, now: () => Date) {
    this.#database = database;
    this.#limits = limits;
    this.#now = now;
  }

  /** Whether actions hold something until they end, and not only while they are staged. */
  get holdsUntilEnd(): boolean {
    return this.#limits['unfinished-actions'] !== undefined || this.#limits['staged-bytes'] !== undefined;
  }

  /**
   * Makes the hold of an action if every quota has room for the smallest action.
   *
   * @throws StoreError.
   */
  async open(accountId: string, actionId: string): Promise<Change> {
    return this.#change(accountId, SMALLEST_ACTION, `holds.${actionId}`, false, () => ({
      $inc: { actions: 1 },
      $set: { [`holds.${actionId}`]: { bytes: 0, rows: {} } },
    }));
  }

  /**
   * Adds rows to the hold of an action if the quotas have room for them.
   *
   * @throws HoldLostError; StoreError.
   */
  async add(accountId: string, actionId: string, rows: number, bytes: number): Promise<Change> {
    const hold = `holds.${actionId}`;
    const more: Amounts = { 'unfinished-actions': 0, 'staged-bytes': bytes, 'rows-per-day': rows };
    return this.#change(accountId, more, hold, true, (day) => ({
      $inc: { bytes, rows, [`${hold}.bytes`]: bytes, [`${hold}.rows.${day}`]: rows },
    }));
  }

  /**
   * Removes the hold of one action if the action no longer needs it. Safe to repeat.
   *
   * @throws StoreError.
   */
  async settle(accountId: string, actionId: string): Promise<void> {
    const found = await stored(
      this.#database.accountQuotas.findOne(
        { _id: accountId },
        { projection: { day: 1, [`holds.${actionId}`]: 1 } },
      ),
    );
    if (found === null) return;
    await this.#removeSettled(found, await this.#statuses([actionId]));
  }

  /**
   * Removes the holds of actions that have ended or are gone, and adds missing holds.
   *
   * Holds are missing for actions that were accepted while no quota was configured. Their bytes are
   * unknown and count as 0.
   *
   * @returns number of holds that it looked at, which is what it costs.
   * @throws StoreError.
   */
  async reconcile(accountId: string): Promise<number> {
    const found = await stored(this.#database.accountQuotas.findOne({ _id: accountId }));
    await this.#removeSettled(
      found ?? { _id: accountId, day: '', holds: {} },
      await this.#statuses(Object.keys(found?.holds ?? {})),
    );
    if (this.holdsUntilEnd) await this.#adopt(accountId, found?.holds ?? {});
    return Object.keys(found?.holds ?? {}).length;
  }

  async #change(
    accountId: string,
    more: Amounts,
    hold: string,
    isOpen: boolean,
    update: (day: string) => UpdateFilter<AccountQuotaDocument>,
  ): Promise<Change> {
    const { accountQuotas } = this.#database;
    let day = dayOf(this.#now());
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const usage = await stored(
        accountQuotas.findOneAndUpdate(
          { _id: accountId, day, [hold]: { $exists: isOpen }, ...this.#roomFor(more) },
          update(day),
          { returnDocument: 'after', projection: USAGE },
        ),
      );
      if (usage !== null) return { usage, exceeded: undefined };
      const current = await stored(accountQuotas.findOne({ _id: accountId }, { projection: USAGE }));
      const today = dayOf(this.#now());
      if (current === null) await this.#create(accountId);
      else if (current.day < today) {
        await stored(
          accountQuotas.updateOne({ _id: accountId, day: current.day }, { $set: { day: today, rows: 0 } }),
        );
        day = today;
      } else if (current.day !== day) {
        // The clock of another instance is ahead, or midnight has passed. The day of the document
        // counts.
        day = current.day;
      } else {
        const exceeded = exceededBy(this.#limits, current, more);
        if (exceeded !== undefined) return { usage: current, exceeded };
      }
    }
    throw new HoldLostError(hold.replace('holds.', ''));
  }

  #roomFor(more: Amounts): Filter<AccountQuotaDocument> {
    const most = (quota: Quota): { $lte: number } | undefined => {
      const limit = this.#limits[quota];
      return limit === undefined || more[quota] === 0 ? undefined : { $lte: limit - more[quota] };
    };
    const [actions, bytes, rows] = [most('unfinished-actions'), most('staged-bytes'), most('rows-per-day')];
    return {
      ...(actions === undefined ? {} : { actions }),
      ...(bytes === undefined ? {} : { bytes }),
      ...(rows === undefined ? {} : { rows }),
    };
  }

  async #create(accountId: string): Promise<void> {
    const empty = { _id: accountId, actions: 0, bytes: 0, day: dayOf(this.#now()), rows: 0, holds: {} };
    try {
      await this.#database.accountQuotas.insertOne(empty);
    } catch (error) {
      // Another request was faster.
      if (!(error instanceof MongoServerError) || error.code !== DUPLICATE_KEY) throw new StoreError(error);
    }
  }

  /** Reads the statuses of those of the actions that exist. */
  async #statuses(ids: readonly string[]): Promise<ReadonlyMap<string, StoredStatus>> {
    const statuses = new Map<string, StoredStatus>();
    for (const some of chunksOf(ids, LOOKED_UP)) {
      const found = await stored(
        this.#database.actions.find({ _id: { $in: some } }, { projection: { status: 1 } }).toArray(),
      );
      for (const { _id, status } of found) statuses.set(_id, status);
    }
    return statuses;
  }

  async #removeSettled(
    { _id, day, holds }: Pick<AccountQuotaDocument, '_id' | 'day' | 'holds'>,
    statuses: ReadonlyMap<string, StoredStatus>,
  ): Promise<void> {
    const settled = Object.entries(holds).filter(([id]) => !this.#isLive(statuses.get(id)));
    const removed = settled.map(([id, hold]): Removal => {
      // Only a refused or broken-off upload leaves no action; the rows of an accepted one count for
      // the day.
      const rows = statuses.has(id) ? 0 : (hold.rows[day] ?? 0);
      return { id, hold, rows };
    });
    for (const some of chunksOf(removed, CHUNK)) {
      if (await this.#remove(_id, day, some)) continue;
      // Another instance was faster with some of them.
      for (const one of some) await this.#remove(_id, day, [one]);
    }
  }

  #isLive(status: StoredStatus | undefined): boolean {
    if (status === undefined) return false;
    return !isAccepted(status) || (this.holdsUntilEnd && !isFinal(status));
  }

  /**
   * Removes holds that are unchanged since they were read.
   *
   * @returns whether they were unchanged.
   */
  async #remove(accountId: string, day: string, removed: readonly Removal[]): Promise<boolean> {
    const unchanged = removed.map(({ id, hold }) => [`holds.${id}.bytes`, hold.bytes] as const);
    const bytes = removed.reduce((sum, { hold }) => sum + hold.bytes, 0);
    const rows = removed.reduce((sum, one) => sum + one.rows, 0);
    const { matchedCount } = await stored(
      this.#database.accountQuotas.updateOne(
        { _id: accountId, day, ...Object.fromEntries(unchanged) },
        {
          $inc: { actions: -removed.length, bytes: -bytes, rows: -rows },
          $unset: Object.fromEntries(removed.map(({ id }) => [`holds.${id}`, ''])),
        },
      ),
    );
    return matchedCount > 0;
  }

  async #adopt(accountId: string, holds: AccountQuotaDocument['holds']): Promise<void> {
    const filter: Filter<ActionDocument> = { accountId, status: { $in: [...UNFINISHED_STATUSES] } };
    const unfinished = await stored(
      this.#database.actions
        .find(filter, { projection: { _id: 1 }, limit: this.#limits['unfinished-actions'] ?? LOOKED_UP })
        .toArray(),
    );
    const missing = unfinished.map(({ _id }) => _id).filter((id) => holds[id] === undefined);
    if (missing.length > 0) await this.#create(accountId);
    for (const some of chunksOf(missing, CHUNK)) {
      if (await this.#addHolds(accountId, some)) continue;
      // Another instance was faster with some of them.
      for (const one of some) await this.#addHolds(accountId, [one]);
    }
  }

  /** Adds empty holds if none of them is there. @returns whether none was. */
  async #addHolds(accountId: string, ids: readonly string[]): Promise<boolean> {
    const absent = ids.map((id) => [`holds.${id}`, { $exists: false }] as const);
    const { matchedCount } = await stored(
      this.#database.accountQuotas.updateOne(
        { _id: accountId, ...Object.fromEntries(absent) },
        {
          $inc: { actions: ids.length },
          $set: Object.fromEntries(ids.map((id) => [`holds.${id}`, { bytes: 0, rows: {} }])),
        },
      ),
    );
    return matchedCount > 0;
  }
}

/** A hold that is removed, and the rows that its account gets back. */
interface Removal {
  readonly id: string;
  readonly hold: QuotaHold;
  readonly rows: number;
}
