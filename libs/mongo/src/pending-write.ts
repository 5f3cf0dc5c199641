import type { WriteScope } from '@bulk/action-types';
import { LANES, type EntityChange, type Lane } from '@bulk/domain';
import { entityKey } from './documents.ts';
import type { ReadState } from './entity-states.ts';
import type { GroupItem } from './group-commit.ts';
import { mustRead, planBlind, planRead, type PlannedChange, type WrittenChange } from './planned-change.ts';

/** Time after which a write that waits confirms again that its partition is owned, in ms. */
const CONFIRMED_FOR_MS = 1_000;

/**
 * How long the writes of a lane let later writes of more urgent lanes pass, in ms. A newcomer in a lane above a busy one
 * then waits for what MongoDB works on and not for what waits, and no lane waits for ever.
 */
export const PATIENCE_MS: Readonly<Record<Lane, number>> = { high: 0, normal: 200, low: 1_000 };

/** Approximate size of an operation without its fields: filter, fence, times. */
const OPERATION_BYTES = 300;
/** Approximate size of a field with a value that is neither a text nor a list. */
const FIELD_BYTES = 32;

/** The changes of one caller, on their way into a bulk write that other callers may share. */
export class PendingWrite implements GroupItem {
  readonly scope: WriteScope;
  readonly changes: readonly EntityChange[];
  /** The changes whose operations depend on the stored entities. */
  readonly toRead: readonly EntityChange[];
  readonly bytes: number;
  readonly rank: number;
  /** The place of the lane, the most urgent first. */
  readonly urgency: number;
  readonly results: Promise<readonly WrittenChange[]>;
  #resolve: (results: readonly WrittenChange[]) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;
  #confirmedAt = performance.now();

  /** The plan of each change whose operation does not depend on the stored entity. */
  readonly #blind: readonly (PlannedChange | undefined)[];

  /** @param readsFirst whether every entity is read before it is written. */
  constructor(scope: WriteScope, changes: readonly EntityChange[], readsFirst = false) {
    this.scope = scope;
    this.changes = changes;
    this.rank = performance.now() + PATIENCE_MS[scope.at.lane];
    this.urgency = LANES.indexOf(scope.at.lane);
    this.#blind = changes.map((change) =>
      mustRead(scope, change, readsFirst) ? undefined : planBlind(scope, change),
    );
    this.toRead = changes.filter((_, i) => this.#blind[i] === undefined);
    this.bytes = changes.reduce((sum, change) => sum + OPERATION_BYTES + bytesOf(change), 0);
    this.results = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get operations(): number {
    return this.changes.length;
  }

  /** Returns the `_id` of each changed entity. */
  get keys(): string[] {
    return this.changes.map((change) => this.keyOf(change));
  }

  /**
   * Whether the process stalled, or the write waited, for so long that another member may own its partition by now. Such
   * a write must be confirmed before it is sent.
   */
  get isStale(): boolean {
    return (
      this.scope.confirmOwnership !== undefined && performance.now() - this.#confirmedAt > CONFIRMED_FOR_MS
    );
  }

  keyOf({ entityId }: EntityChange): string {
    return entityKey(this.scope.accountId, entityId);
  }

  /**
   * Plans the write of each change, in their order.
   *
   * @param read the entities of `toRead`, by `_id`.
   * @throws SupersededError
   */
  plan(read: ReadonlyMap<string, ReadState>): PlannedChange[] {
    return this.changes.map(
      (change, i) => this.#blind[i] ?? planRead(this.scope, change, read.get(this.keyOf(change))),
    );
  }

  /** Confirms that the caller still owns its partition. @throws the error of `WriteScope.confirmOwnership`. */
  async confirm(): Promise<void> {
    await this.scope.confirmOwnership?.();
    this.#confirmedAt = performance.now();
  }

  /** Gives the caller what `judge` returns, or the error that it throws. */
  settle(judge: () => readonly WrittenChange[]): void {
    try {
      this.#resolve(judge());
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}

function bytesOf(change: EntityChange): number {
  if (change.kind === 'delete') return 0;
  const fields = change.kind === 'upsert' ? [change.set, change.record] : [change.set];
  const relative = change.kind === 'create' ? [] : Object.values(change.relative ?? {});
  const values = relative.map((one) => (one.kind === 'increment' ? one.by : one.values));
  return [...fields, values].reduce((sum, one) => sum + Object.values(one ?? {}).reduce(plusValue, 0), 0);
}

function plusValue(sum: number, value: unknown): number {
  if (typeof value === 'string') return sum + FIELD_BYTES + 3 * value.length;
  return Array.isArray(value) ? value.reduce<number>(plusValue, sum) : sum + FIELD_BYTES;
}
