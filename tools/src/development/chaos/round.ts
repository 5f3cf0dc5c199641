import { contact } from '@bulk/action-types';
import { BulkApiError, NetworkError, type BulkClient } from '@bulk/client';
import { CodedError, isFinal } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import { checkAccounting, modelled, type ModelEntity, type ModelOutcome } from '@bulk/testing';
import { between, randomFor } from '../../operator/seed/random.ts';
import { nextFault, type Fault } from './faults.ts';
import { isKeyHeld, isOrphaned } from './orphaned-key.ts';
import type { ChaosTarget } from './target.ts';
import { planWorkload, type Chain, type PlannedAction, type WorkloadSize } from './workload.ts';

export interface RoundOptions {
  readonly target: ChaosTarget;
  /** Names the round. The same text gives the same workload and the same faults. */
  readonly text: string;
  readonly size: WorkloadSize;
  /** Maximum number of faults. There are fewer if the actions end before. */
  readonly faults: number;
  readonly signal: AbortSignal;
  readonly note: (line: string) => void;
}

export interface RoundReport {
  readonly actions: number;
  readonly positions: number;
  readonly faults: readonly string[];
  /** Number of batches that were put into retry topics. */
  readonly postponed: number;
  /** Every difference from the model, in words; empty if all is well. */
  readonly differences: readonly string[];
}

/** Thrown when an action has not ended long after every fault was fixed. */
export class StandstillError extends CodedError {
  constructor(actionId: string, status: string, processed: number, total: number) {
    super(
      'STANDSTILL',
      `action ${actionId} stands still: ${status}, ${processed} of ${total} have an outcome`,
    );
  }
}

/**
 * Longest time without a new outcome after every fault was fixed, in ms. It includes sessions,
 * leases and back-offs.
 */
const STANDSTILL_MS = 90_000;
/** Longest time that a dead upload may hold its key after every fault was fixed, in ms: `IDEMPOTENCY_STALE_MS` and a reserve. */
const HELD_KEY_MS = 60_000;
const POLL_MS = 200;
/** Maximum pause between faults, in ms. */
const PAUSE_MS = 1_500;

/**
 * Runs actions, causes faults while they run, fixes the faults, and compares the result with the
 * model.
 */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { target, text, size } = options;
  const chains = planWorkload(text, contact, size);
  const postponedBefore = await target.postponed();
  const state = { mendedAt: Number.POSITIVE_INFINITY, ended: false };
  const runs = Promise.all(chains.map((chain) => runChain(chain, options, state)));
  runs.catch(() => undefined);
  const all = runs.finally(() => {
    state.ended = true;
  });
  all.catch(() => undefined);
  const faults = await breakThings(options, state);
  state.mendedAt = performance.now();
  const ids = await all;
  const differences: string[] = [];
  for (const [i, chain] of chains.entries()) differences.push(...(await check(target, chain, ids[i] ?? [])));
  const actions = chains.flatMap((chain) => chain.actions);
  return {
    actions: actions.length,
    positions: actions.reduce((sum, { entities }) => sum + entities.length, 0),
    faults,
    postponed: (await target.postponed()) - postponedBefore,
    differences,
  };
}

interface RoundState {
  /** Monotonic time at which the last fault was fixed, in ms. */
  mendedAt: number;
  /** Whether all actions have ended. */
  readonly ended: boolean;
}

/**
 * Causes one fault after the other, some of them two at a time. Afterwards every fault is fixed and
 * every service is ready.
 */
async function breakThings(
  { target, text, faults, signal, note }: RoundOptions,
  state: RoundState,
): Promise<string[]> {
  const random = randomFor(`${text} faults`);
  const seen: string[] = [];
  let open: Fault[] = [];
  const restore = async (): Promise<void> => {
    for (const fault of open) await fault.restore();
    open = [];
  };
  try {
    while (seen.length < faults && !state.ended) {
      await delay(between(random, 50, PAUSE_MS), signal);
      signal.throwIfAborted();
      const fault = nextFault(random, target);
      const overlaps = random() < 0.3 && open.length === 0;
      // A part cannot be broken twice, and what depends on it would wait for it.
      if (open.some(({ subject }) => subject === fault.subject)) continue;
      note(`${fault.name}, ${fault.lastsMs} ms`);
      seen.push(fault.name);
      open.push(fault);
      await fault.inject();
      await delay(fault.lastsMs, signal);
      if (!overlaps) await restore();
    }
  } finally {
    await restore();
  }
  for (const { name, running } of target.services.members) {
    // As an orchestrator restarts a service that gave up.
    if (!running) {
      note(`${name} had ended by itself`);
      seen.push(`${name} ended by itself`);
      await target.services.relaunch(name);
    }
  }
  await target.services.waitUntilHealthy();
  return seen;
}

/** Runs the actions of a chain to their ends. @returns their ids. */
async function runChain(chain: Chain, options: RoundOptions, state: RoundState): Promise<string[]> {
  const clients = options.target.clients(chain.accountId);
  const api = new AnyIntake(clients, options.signal, state);
  const ids: string[] = [];
  try {
    for (const action of chain.actions) {
      const { actionId } = await submit(chain.accountId, action, api, options, ids.at(-1));
      ids.push(actionId);
      await untilEnded(actionId, api, options.signal, state);
    }
    return ids;
  } finally {
    for (const client of clients) client.close();
  }
}

/**
 * Requests an action. If its key is lost in the database, it takes another key, and says so.
 *
 * @param before the id of the action before it, which an undo undoes.
 */
async function submit(
  accountId: string,
  action: PlannedAction,
  api: AnyIntake,
  { target, note }: RoundOptions,
  before: string | undefined,
): Promise<{ readonly actionId: string }> {
  const { idempotencyKey } = action;
  try {
    return await api.ask((client) => request(client, action, idempotencyKey, before));
  } catch (error) {
    if (!isKeyHeld(error) || !(await isOrphaned(target.database, accountId, idempotencyKey))) throw error;
    note(`the database holds the key ${idempotencyKey} without a document: another key`);
    return api.ask((client) => request(client, action, `${idempotencyKey}-again`, before));
  }
}

function request(
  client: BulkClient,
  { actionType, lane, entities, keepsValues }: PlannedAction,
  idempotencyKey: string,
  before = '',
): Promise<{ readonly actionId: string }> {
  if (actionType === 'undo') return client.undo(before);
  const changes = keepsValues ? 'values' : 'none';
  return client.createAction(
    { actionType, priority: lane, changes, entities: [...entities] },
    { idempotencyKey },
  );
}

async function untilEnded(
  actionId: string,
  api: AnyIntake,
  signal: AbortSignal,
  state: RoundState,
): Promise<void> {
  let processed = -1;
  let movedAt = performance.now();
  for (;;) {
    const action = await api.ask((client) => client.getAction(actionId));
    if (isFinal(action.status)) return;
    if (action.processed !== processed) movedAt = performance.now();
    ({ processed } = action);
    if (performance.now() - Math.max(movedAt, state.mendedAt) > STANDSTILL_MS) {
      throw new StandstillError(actionId, action.status, action.processed, action.total);
    }
    await delay(POLL_MS, signal);
  }
}

/** Calls the intakes in turn, as a load balancer does that knows nothing of their state. */
class AnyIntake {
  readonly #clients: readonly BulkClient[];
  readonly #signal: AbortSignal;
  readonly #state: RoundState;
  #asked = 0;

  constructor(clients: readonly BulkClient[], signal: AbortSignal, state: RoundState) {
    this.#clients = clients;
    this.#signal = signal;
    this.#state = state;
  }

  /** Calls the next intake, and tries again while the failure is due to a fault. */
  async ask<T>(question: (client: BulkClient) => Promise<T>): Promise<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      const client = this.#clients[this.#asked % this.#clients.length];
      if (client === undefined) throw new RangeError('there is no intake');
      this.#asked += 1;
      try {
        return await question(client);
      } catch (error) {
        // A request that a fault interrupted may keep its idempotency key for a while (409).
        const ours =
          error instanceof NetworkError ||
          (error instanceof BulkApiError && (error.status >= 500 || error.retryable));
        const sinceMended = performance.now() - this.#state.mendedAt;
        if (!ours || sinceMended > (isKeyHeld(error) ? HELD_KEY_MS : STANDSTILL_MS)) throw error;
      }
      await delay(POLL_MS, this.#signal);
    }
  }
}

async function check(target: ChaosTarget, chain: Chain, ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const [i, { idempotencyKey, outcomes }] of chain.actions.entries()) {
    const actionId = ids[i] ?? '';
    const report = await checkAccounting(target.database, actionId);
    found.push(...report.breaches.map((breach) => `${idempotencyKey} (${actionId}): ${breach}`));
    for (const outcome of modelled(report.outcomes)) {
      const is = outcomeText(outcome);
      const should = outcomeText(outcomes[outcome.position]);
      if (is !== should) found.push(`${idempotencyKey} (${actionId}): ${is} instead of ${should}`);
    }
  }
  const stored = await target.contacts(chain.accountId, chain.mark);
  for (const id of new Set([...chain.entities.keys(), ...stored.keys()])) {
    const is = canonical(stored.get(id));
    const should = canonical(chain.entities.get(id));
    if (is !== should) found.push(`${id}: ${is} instead of ${should}`);
  }
  return found;
}

function outcomeText(outcome: ModelOutcome | undefined): string {
  if (outcome === undefined) return 'nothing';
  const { position, entityId, status, code, effect } = outcome;
  return JSON.stringify({ position, entityId, status, code, effect });
}

function canonical(value: ModelEntity | undefined): string {
  if (value === undefined) return 'nothing';
  const { version, fields } = value;
  return JSON.stringify([version, fields && Object.entries(fields).sort(([a], [b]) => a.localeCompare(b))]);
}
