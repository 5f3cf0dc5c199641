import type { EntityType } from '@bulk/action-types';
import { LANES, type Lane } from '@bulk/domain';
import {
  modelAction,
  modelUndo,
  undoneOf,
  type GivenEntity,
  type ModelEntity,
  type ModelledActionType,
  type ModelOutcome,
} from '@bulk/testing';
import { between, pick, randomFor, type Random } from '../../operator/seed/random.ts';

/** One action of a chain, with its expected result. */
export interface PlannedAction {
  readonly idempotencyKey: string;
  readonly actionType: ModelledActionType | 'undo';
  readonly lane: Lane;
  /** Whether the action keeps the values of its changes. */
  readonly keepsValues: boolean;
  readonly entities: readonly { readonly id: string }[];
  readonly outcomes: readonly ModelOutcome[];
}

/**
 * Actions that change the same entities one after the other. Each is requested when the one before
 * has ended. An `undo` undoes the one before.
 */
export interface Chain {
  readonly accountId: string;
  /** The prefix of all ids of its entities. No other chain has it. */
  readonly mark: string;
  readonly actions: readonly PlannedAction[];
  /** Entity id → its expected state at the end. */
  readonly entities: ReadonlyMap<string, ModelEntity>;
}

export interface WorkloadSize {
  readonly chains: number;
  /** Maximum number of actions of a chain. */
  readonly length: number;
  /** Maximum number of positions of an action. */
  readonly positions: number;
}

const ACCOUNTS = ['chaos-a', 'chaos-b', 'chaos-c'];
const TYPES: readonly ModelledActionType[] = ['update', 'create', 'upsert', 'delete'];

/**
 * Plans chains, with everything that a plain sequential model says of them. The same text gives the
 * same chains.
 */
export function planWorkload(text: string, entityType: EntityType, size: WorkloadSize): Chain[] {
  return Array.from({ length: size.chains }, (_, i) => {
    const mark = `${text}-${i}`;
    return planChain(randomFor(mark), mark, entityType, size);
  });
}

function planChain(random: Random, mark: string, entityType: EntityType, size: WorkloadSize): Chain {
  const ids = between(random, Math.ceil(size.positions / 2), size.positions);
  let entities: ReadonlyMap<string, ModelEntity> = new Map();
  const plan = (_: unknown, i: number): PlannedAction[] => {
    // The first action must create something.
    const actionType = i === 0 ? pick(random, ['create', 'upsert'] as const) : pick(random, TYPES);
    const given = Array.from({ length: between(random, 1, size.positions) }, (__, position) =>
      planEntity(random, actionType, `${mark}-${between(random, 0, ids)}`, position),
    );
    const keepsValues = random() < 0.4;
    const model = modelAction(actionType, entityType, entities, given, {}, keepsValues);
    ({ entities } = model);
    const lane = pick(random, LANES);
    const idempotencyKey = `${mark}-${i}`;
    const { outcomes } = model;
    const action = { idempotencyKey, actionType, lane, keepsValues, entities: given, outcomes };
    const rows = undoneOf(model);
    if (!keepsValues || rows.length === 0 || random() < 0.5) return [action];
    const undone = modelUndo(entities, rows);
    ({ entities } = undone);
    const undo = {
      actionType: 'undo',
      keepsValues: true,
      entities: rows,
      outcomes: undone.outcomes,
    } as const;
    return [action, { ...undo, idempotencyKey: `${idempotencyKey} undone`, lane }];
  };
  const actions = Array.from({ length: between(random, 1, size.length) }, plan).flat();
  return { accountId: pick(random, ACCOUNTS), mark, actions, entities };
}

/**
 * Plans an entity, usually a valid one. Ids repeat, so that duplicates, absent and existing
 * entities occur by themselves.
 */
function planEntity(random: Random, type: ModelledActionType, id: string, position: number): GivenEntity {
  const row = { id, ref: `row ${position}` };
  if (type === 'delete') return random() < 0.02 ? { ...row, score: 1 } : row;
  if (random() < 0.02) return { ...row, score: 'high' };
  // Many of these must be made exactly once: a second time, the score or the version would differ.
  if (type !== 'create' && random() < 0.5) {
    const tag = `tag ${between(random, 0, 5)}`;
    return {
      ...row,
      lastName: `Name ${position}`,
      increment: { score: between(random, -3, 5) },
      ...(random() < 0.5 ? { addToList: { tags: [tag] } } : { removeFromList: { tags: [tag] } }),
    };
  }
  return { ...row, lastName: `Name ${position}`, score: between(random, 0, 100) };
}
