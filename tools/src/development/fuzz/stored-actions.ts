import { BulkApiError, type BulkClient } from '@bulk/client';
import { isFinal } from '@bulk/domain';
import type { Database } from '@bulk/mongo';
import { checkAccounting, eventually } from '@bulk/testing';
import { ENDED_ACTION, KNOWN_ACCOUNT, WAITING_ACTION } from './fuzz-case.ts';
import type { Ledger, LedgerReport, StoredAction } from './ledger.ts';

/** Longest time until every action has ended, in ms. */
const END_MS = 90_000;
/** Longest time until the staged batches of a broken-off upload are removed, in ms. */
const REMOVAL_MS = 15_000;
/** Allowance for differences of clocks, in ms. */
const CLOCK_MS = 60_000;
const DAY_MS = 86_400_000;

type Listed = StoredAction & { readonly isFinal: boolean; readonly isHeld: boolean };

/** The ledger of an installation: what is in MongoDB. */
export class StoredActions implements Ledger {
  readonly #database: Database;
  readonly #clientOf: (accountId: string) => BulkClient;
  /** Actions of earlier rounds. */
  readonly #known = new Set<string>();
  /** Actions that rounds themselves need. */
  readonly #own = new Set<string>();
  /** Instant before every action of this round. */
  #since = new Date(0);
  #ended: string | undefined;

  constructor(database: Database, clientOf: (accountId: string) => BulkClient) {
    this.#database = database;
    this.#clientOf = clientOf;
  }

  async begin(): Promise<ReadonlyMap<string, string>> {
    const client = this.#clientOf(KNOWN_ACCOUNT);
    this.#since = new Date(Date.now() - CLOCK_MS);
    this.#ended ??= await this.#endedAction(client);
    const { actionId } = await client.createAction({
      actionType: 'update',
      scheduledFor: new Date(Date.now() + DAY_MS).toISOString(),
      entities: [{ id: 'waiting-1', lastName: 'Wait' }],
    });
    this.#own.add(actionId);
    return new Map([
      [ENDED_ACTION, this.#ended],
      [WAITING_ACTION, actionId],
    ]);
  }

  async settle(signal: AbortSignal): Promise<LedgerReport> {
    const breaches: string[] = [];
    await eventually(
      'every action has ended',
      async () => {
        signal.throwIfAborted();
        const open = (await this.#list()).filter((action) => !action.isFinal);
        await Promise.all(open.filter(({ isHeld }) => isHeld).map((action) => this.#cancel(action)));
        if (open.length === 0) return true;
        throw new Error(
          `${open.length} actions do not end, for example ${open[0]?.actionId ?? ''} of ${open[0]?.accountId ?? ''}`,
        );
      },
      { timeoutMs: END_MS, everyMs: 200 },
    ).catch((error: unknown) => breaches.push(String(error)));
    signal.throwIfAborted();
    const all = await this.#list();
    for (const { actionId } of all) {
      const { breaches: found } = await checkAccounting(this.#database, actionId);
      breaches.push(...found.map((breach) => `action ${actionId}: ${breach}`));
    }
    breaches.push(...(await this.#leftOvers()));
    const stored = all.filter(({ actionId }) => !this.#own.has(actionId));
    for (const { actionId } of all) this.#known.add(actionId);
    return { stored, breaches };
  }

  async has(actionId: string): Promise<boolean> {
    return (await this.#database.actions.findOne({ _id: actionId })) !== null;
  }

  /** Lists the actions that earlier rounds have not brought to their end. */
  async #list(): Promise<Listed[]> {
    const documents = await this.#database.actions

      .find(
        { createdAt: { $gte: this.#since } },
        { projection: { accountId: 1, total: 1, status: 1, scheduledFor: 1, cancelRequestedAt: 1 } },
      )
      .toArray();
    return documents
      .filter(({ _id }) => !this.#known.has(_id))
      .map(({ _id, accountId, total, status, scheduledFor, cancelRequestedAt }) => ({
        actionId: _id,
        accountId,
        total,
        isFinal: status !== 'staging' && isFinal(status),
        isHeld:
          cancelRequestedAt === null &&
          (status === 'paused' || (status === 'pending' && (scheduledFor?.getTime() ?? 0) > Date.now())),
      }));
  }

  /** Lists batches without an action: staged for a request that was refused or broke off. */
  async #leftOvers(): Promise<string[]> {
    const orphans = async (): Promise<string[]> => {
      const batches = await this.#database.stagedBatches.find({}, { projection: { actionId: 1 } }).toArray();
      const ids = [...new Set(batches.map(({ actionId }) => actionId))];
      const actions = await this.#database.actions
        .find({ _id: { $in: ids } }, { projection: { _id: 1 } })
        .toArray();
      const there = new Set(actions.map(({ _id }) => _id));
      return ids.filter((id) => !there.has(id));
    };
    let left: string[] = [];
    await eventually(
      'nothing is left of what was refused',
      async () => {
        left = await orphans();
        return left.length === 0;
      },
      { timeoutMs: REMOVAL_MS, everyMs: 200 },
    ).catch(() => undefined);
    return left.map((actionId) => `staged batches of ${actionId} are left, although it is not an action`);
  }

  async #cancel({ actionId, accountId }: StoredAction): Promise<void> {
    try {
      await this.#clientOf(accountId).cancelAction(actionId);
    } catch (error) {
      // The action has ended meanwhile.
      if (!(error instanceof BulkApiError && error.status === 409)) throw error;
    }
  }

  /** Creates an action all of whose positions fail, so that it may be retried. */
  async #endedAction(client: BulkClient): Promise<string> {
    const entities = ['nobody-1', 'nobody-2', 'nobody-3'].map((id) => ({ id, lastName: 'Nobody' }));
    const { actionId } = await client.createAction({ actionType: 'update', entities });
    await eventually(
      'the first action has ended',
      async () => isFinal((await client.getAction(actionId)).status),
      { timeoutMs: END_MS },
    );
    this.#own.add(actionId);
    return actionId;
  }
}
