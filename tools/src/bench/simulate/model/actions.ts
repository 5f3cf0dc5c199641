import { CodedError, type Lane, type Lease } from '@bulk/domain';
import { batchWeight } from '@bulk/intake/dispatch';
import { DUE_NOW, type ActionDocument } from '@bulk/mongo';
import type { Engine } from '../engine/engine.ts';
import type { Random } from '../engine/random.ts';
import { Usage } from '../engine/usage.ts';

/** What the batches of an action do: a write per entity, nothing, or one call that takes its time. */
export type Work = 'update' | 'noop' | { readonly waitMs: number };

/** Entities of one action that share a partition. */
export interface SimulatedBatch {
  readonly action: SimulatedAction;
  readonly batchNo: number;
  readonly partition: number;
  readonly entities: number;
}

/** Thrown when a batch is counted a second time. */
export class CountedTwiceError extends CodedError {
  constructor(actionId: string, batchNo: number) {
    super('COUNTED_TWICE', `batch ${batchNo} of ${actionId} is counted twice`);
  }
}

/** An action in the simulation, with its state as MongoDB has it. */
export class SimulatedAction {
  readonly id: string;
  readonly accountId: string;
  readonly lane: Lane;
  readonly work: Work;
  readonly total: number;
  readonly batches: readonly SimulatedBatch[];
  /** How much a batch counts in flight; a full batch counts 1. */
  readonly weight: number;
  /** Partition of the results and progress topics. */
  readonly resultsPartition: number;
  nextBatch = 0;
  done = false;
  lease: Lease | null = null;
  accepted = false;
  updatedAt = 0;
  /** Virtual times, in ms. */
  readonly requestedAt: number;
  firstPublishedAt: number | undefined;
  countedAt: number | undefined;
  seenAt: number | undefined;
  /** Resolves when the client has seen the end. */
  readonly seen: Promise<void>;
  /** The place among due actions: by lane, account and id. */
  readonly order: string;
  #onSeen: () => void = () => undefined;
  readonly #counted = new Set<number>();

  constructor(
    { id, accountId, lane, work, entities }: ActionDraft,
    { partitions, resultsPartitions, batchSize }: Cut,
    { random, now }: { readonly random: Random; readonly now: number },
  ) {
    this.id = id;
    this.accountId = accountId;
    this.lane = lane;
    this.work = work;
    this.total = entities;
    this.requestedAt = now;
    this.order = `${lane} ${accountId} ${id}`;
    this.seen = new Promise((resolve) => (this.#onSeen = resolve));
    this.resultsPartition = random.below(resultsPartitions);
    this.batches = cut(entities, partitions, batchSize, random).map(([partition, count], batchNo) => ({
      action: this,
      batchNo,
      partition,
      entities: count,
    }));
    this.weight = batchWeight({ total: entities, batchCount: this.batches.length }, batchSize);
  }

  get countedBatches(): number {
    return this.#counted.size;
  }

  get inFlight(): number {
    return this.nextBatch - this.countedBatches;
  }

  /** Whether an instance of intake may take the action at this time. */
  isDueAt(now: number): boolean {
    return this.accepted && !this.done && (this.lease === null || this.lease.until.getTime() <= now);
  }

  /** Counts the outcomes of a batch. @throws CountedTwiceError. */
  count(batchNo: number, now: number): void {
    if (this.#counted.has(batchNo)) throw new CountedTwiceError(this.id, batchNo);
    this.#counted.add(batchNo);
    this.updatedAt = now;
    if (this.#counted.size === this.batches.length) this.countedAt = now;
  }

  /** Records that the client has seen the end. */
  see(now: number): void {
    this.seenAt ??= now;
    this.#onSeen();
  }

  /** Returns the state as the document that intake and stats-aggregator would read. */
  document(): ActionDocument {
    const { nextBatch, done, lease, countedBatches, total } = this;
    const updatedAt = new Date(this.updatedAt);
    const dueAt = done ? {} : { dueAt: lease?.until ?? DUE_NOW };
    return {
      _id: this.id,
      accountId: this.accountId,
      actionType: 'update',
      entityType: 'contact',
      lane: this.lane,
      config: {},
      dryRun: false,
      retryOf: null,
      status: nextBatch === 0 ? 'pending' : 'queued',
      cancelRequestedAt: null,
      version: nextBatch + countedBatches,
      total,
      batchCount: this.batches.length,
      countedBatches,
      counts: { success: Math.floor((total * countedBatches) / this.batches.length), failure: 0, skipped: 0 },
      codes: {},
      applied: {},
      dispatch: { nextBatch, done, lease, ...dueAt },
      scheduledFor: null,
      createdAt: new Date(this.requestedAt),
      queuedAt: null,
      startedAt: null,
      finishedAt: null,
      updatedAt,
    };
  }
}

/** What a client asks for. */
export interface ActionDraft {
  readonly id: string;
  readonly accountId: string;
  readonly lane: Lane;
  readonly work: Work;
  readonly entities: number;
}

interface Cut {
  readonly partitions: number;
  readonly resultsPartitions: number;
  readonly batchSize: number;
}

/** The actions of an installation. */
export class SimulatedActions {
  /** What is in flight, in full batches. */
  readonly inFlight: Usage;
  readonly #actions = new Map<string, SimulatedAction>();
  /** Actions that are not published completely, or have batches in flight. */
  readonly #open = new Set<SimulatedAction>();

  constructor(engine: Engine) {
    this.inFlight = new Usage(1, () => engine.now());
  }

  get all(): SimulatedAction[] {
    return [...this.#actions.values()];
  }

  /** The actions that are not counted completely. */
  get open(): readonly SimulatedAction[] {
    for (const action of this.#open) if (action.countedAt !== undefined) this.#open.delete(action);
    return [...this.#open];
  }

  add(action: SimulatedAction): void {
    this.#actions.set(action.id, action);
    this.#open.add(action);
  }

  /** @throws CodedError if there is no such action. */
  get(id: string): SimulatedAction {
    const action = this.#actions.get(id);
    if (action === undefined) throw new CodedError('ACTION_NOT_FOUND', `there is no action ${id}`);
    return action;
  }
}

/** Cuts an action into batches as a hash of the entities does, in the order in which they are full. */
function cut(entities: number, partitions: number, size: number, random: Random): [number, number][] {
  const open = new Array<number>(partitions).fill(0);
  const batches: [number, number][] = [];
  for (let i = 0; i < entities; i += 1) {
    const partition = random.below(partitions);
    const count = (open[partition] ?? 0) + 1;
    open[partition] = count % size;
    if (count === size) batches.push([partition, size]);
  }
  return [...batches, ...open.flatMap((count, at): [number, number][] => (count > 0 ? [[at, count]] : []))];
}
