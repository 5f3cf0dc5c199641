import { CodedError, leaseFor, type Lane, type Lease } from '@bulk/domain';
import {
  progressOfDocument,
  type ClaimScope,
  type DispatchPort,
  type DispatchProgress,
  type Due,
  type Measured,
  type ShareInFlight,
  type SkipPort,
  type StagedBatch,
  type WindowLimits,
} from '@bulk/intake/dispatch';
import { DUE_NOW, type ActionDocument } from '@bulk/mongo';
import type { Cpu } from '../engine/server.ts';
import type { SimulatedAction, SimulatedActions, SimulatedBatch } from './actions.ts';
import type { Mongo } from './mongo.ts';
import type { SharedLaneWindows } from './shared-lane-windows.ts';
import type { World } from './world.ts';

/** Thrown by what no simulated action needs. */
export class NotSimulatedError extends CodedError {
  constructor(what: string) {
    super('NOT_SIMULATED', `${what} is not simulated`);
  }
}

/** Bytes of an entity with four short fields, as staged. */
const ENTITY_BYTES = 120;
/** Number of due actions that one look returns. */
const DUE_PAGE = 200;

export interface SimulatedStoreOptions {
  readonly world: World;
  readonly mongo: Mongo;
  readonly actions: SimulatedActions;
  readonly windows: SharedLaneWindows;
  /** The processor of the instance of intake that uses the store. */
  readonly cpu: Cpu;
  readonly leaseMs: number;
}

/** The dispatch's view of MongoDB: the same answers as `DispatchStore`, at the cost of the model. */
export class SimulatedStore implements DispatchPort {
  readonly #options: SimulatedStoreOptions;

  constructor(options: SimulatedStoreOptions) {
    this.#options = options;
  }

  get windows(): DispatchPort['windows'] {
    const { windows, mongo, cpu } = this.#options;
    return {
      exchange: async (
        by: string,
        lanes: readonly Lane[],
        takeMeasured: (lane: Lane) => Measured | undefined,
      ) => {
        const adopted = await mongo.command(cpu, { majority: false }, () => windows.newsFor(by, lanes));
        const left = lanes.filter((lane) => !adopted.has(lane));
        if (windows.record(by, left, takeMeasured)) {
          await mongo.command(cpu, { majority: true }, () => undefined);
        }
        return adopted;
      },
    };
  }

  get skips(): SkipPort {
    const refuse = (): Promise<never> => Promise.reject(new NotSimulatedError('a cancellation'));
    return { begin: refuse, read: refuse, log: refuse, advance: refuse };
  }

  adopt(): Promise<number> {
    return this.#read(0, () => 0);
  }

  findDue(): Promise<Due> {
    return this.#read(0, () => {
      const due = this.#due()
        .sort((a, b) => (a.order < b.order ? -1 : 1))
        .slice(0, DUE_PAGE);
      const actions = due.map(({ id, lane, accountId }) => ({
        _id: id,
        lane,
        accountId,
        dispatch: { dueAt: DUE_NOW },
      }));
      return { actions, complete: actions.length < DUE_PAGE };
    });
  }

  claim(owner: string, { lane, after, except = [] }: ClaimScope = {}): Promise<ActionDocument | undefined> {
    return this.#write(() => {
      let action: SimulatedAction | undefined;
      for (const one of this.#due()) {
        if (lane !== undefined && one.lane !== lane) continue;
        if (after !== undefined && one.accountId <= after) continue;
        if (except.includes(one.accountId)) continue;
        if (action === undefined || one.order < action.order) action = one;
      }
      if (action !== undefined) action.lease = this.#lease(owner);
      return action?.document();
    });
  }

  /** The simulated acceptance sets the lease itself. */
  leaseAtAcceptance(): [] {
    return [];
  }

  inFlight(staleMs: number): Promise<ShareInFlight[]> {
    return this.#read(0, () => {
      const staleBefore = this.#options.world.engine.now() - staleMs;
      const shares = new Map<string, ShareInFlight>();
      for (const action of this.#options.actions.open) {
        if (action.inFlight <= 0) continue;
        const { lane, accountId, updatedAt } = action;
        const inFlight = action.inFlight * action.weight;
        const key = `${lane}:${accountId}`;
        const { batches = 0, stale = 0 } = shares.get(key) ?? {};
        const isStale = updatedAt < staleBefore;
        shares.set(key, {
          lane,
          accountId,
          batches: batches + inFlight,
          stale: stale + (isStale ? inFlight : 0),
        });
      }
      return [...shares.values()];
    });
  }

  look(actionIds: readonly string[]): Promise<Map<string, DispatchProgress>> {
    if (actionIds.length === 0) return Promise.resolve(new Map<string, DispatchProgress>());
    return this.#read(
      0,
      () => new Map(actionIds.map((id) => [id, progressOfDocument(this.#action(id).document())])),
    );
  }

  readWindow(actionId: string, from: number, limits: WindowLimits, extraBytes = 0): Promise<StagedBatch[]> {
    let bytes = 0;
    const window = this.#action(actionId)
      .batches.slice(from, from + limits.batches)
      .filter(({ entities }, i) => {
        bytes += entities * ENTITY_BYTES + extraBytes;
        return i === 0 || bytes <= limits.bytes;
      });
    const entities = window.reduce((sum, batch) => sum + batch.entities, 0);
    return this.#read(entities, () => window.map(stagedBatch));
  }

  advance(
    actionId: string,
    owner: string,
    nextBatch: number,
    done: boolean,
  ): Promise<ActionDocument | undefined> {
    return this.#write(() => {
      const action = this.#action(actionId);
      if (action.lease?.owner !== owner || action.nextBatch > nextBatch) return undefined;
      action.nextBatch = nextBatch;
      action.done = done;
      action.lease = done ? null : this.#lease(owner);
      action.updatedAt = this.#options.world.engine.now();
      return action.document();
    });
  }

  renew(actionId: string, owner: string): Promise<boolean> {
    return this.#setLease(actionId, owner, this.#lease(owner));
  }

  async release(actionId: string, owner: string): Promise<void> {
    await this.#setLease(actionId, owner, null);
  }

  async postpone(actionId: string, owner: string, delayMs: number): Promise<void> {
    const now = new Date(this.#options.world.engine.now());
    await this.#setLease(actionId, owner, leaseFor(`${owner}/postponed`, delayMs, now));
  }

  #setLease(actionId: string, owner: string, lease: Lease | null): Promise<boolean> {
    return this.#write(() => {
      const action = this.#action(actionId);
      if (action.lease?.owner !== owner) return false;
      action.lease = lease;
      return true;
    });
  }

  #lease(owner: string): Lease {
    const { world, leaseMs } = this.#options;
    return leaseFor(owner, leaseMs, new Date(world.engine.now()));
  }

  /** Returns the due actions. */
  #due(): SimulatedAction[] {
    const now = this.#options.world.engine.now();
    return this.#options.actions.open.filter((action) => action.isDueAt(now));
  }

  #action(id: string): SimulatedAction {
    return this.#options.actions.get(id);
  }

  #read<T>(entities: number, effect: () => T): Promise<T> {
    const { mongo, cpu, world } = this.#options;
    const workMs = (entities * world.parameters.mongoEntityUs) / 1_000;
    return mongo.command(cpu, { workMs, majority: false }, effect);
  }

  #write<T>(effect: () => T): Promise<T> {
    const { mongo, cpu } = this.#options;
    return mongo.command(cpu, { majority: true }, effect);
  }
}

/** Returns a batch as it is staged. One entity stands for the bytes of all of them. */
export function stagedBatch({ batchNo, partition, entities }: SimulatedBatch): StagedBatch {
  const fields = 'x'.repeat(entities * ENTITY_BYTES);
  return { batchNo, partition, entities: [{ position: 0, id: '', ref: null, fields }] };
}
