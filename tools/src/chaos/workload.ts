import type { EntityType } from '@bulk/actions';
import { LANES, type Lane } from '@bulk/domain';
import {
  modelAction,
  type GivenEntity,
  type ModelEntity,
  type ModelledActionType,
  type ModelOutcome,
} from '@bulk/testing';
import { between, pick, randomFor, type Random } from '../seed/random.ts';

/** One action of a chain, and what must come of it. */
export interface PlannedAction {
  readonly idempotencyKey: string;
  readonly actionType: ModelledActionType;
  readonly lane: Lane;
  readonly entities: readonly GivenEntity[];
  readonly outcomes: readonly ModelOutcome[];
}

/** Actions that change the same entities one after the other: each is asked for when the one before has ended. */
export interface Chain {
  readonly accountId: string;
  /** What all ids of its entities begin with; no other chain has it. */
  readonly mark: string;
  readonly actions: readonly PlannedAction[];
  /** Entity id → what must be there at the end. */
  readonly entities: ReadonlyMap<string, ModelEntity>;
}

export interface WorkloadSize {
  readonly chains: number;
  /** Actions of a chain, at most. */
  readonly length: number;
  /** Positions of an action, at most. */
  readonly positions: number;
}

const ACCOUNTS = ['chaos-a', 'chaos-b', 'chaos-c'];
const TYPES: readonly ModelledActionType[] = ['update', 'create', 'upsert', 'delete'];

/** Chains with all that a plain sequential model says of them. The same text gives the same chains. */
export function planWorkload(text: string, entityType: EntityType, size: WorkloadSize): Chain[] {
  return Array.from({ length: size.chains }, (_, i) => {
    const mark = `${text}-${i}`;
    return planChain(randomFor(mark), mark, entityType, size);
  });
}

function planChain(random: Random, mark: string, entityType: EntityType, size: WorkloadSize): Chain {
  const ids = between(random, Math.ceil(size.positions / 2), size.positions);
  let entities: ReadonlyMap<string, ModelEntity> = new Map();
  const actions = Array.from({ length: between(random, 1, size.length) }, (_, i): PlannedAction => {
    // The first has to bring something into being.
    const actionType = i === 0 ? pick(random, ['create', 'upsert'] as const) : pick(random, TYPES);
    const given = Array.from({ length: between(random, 1, size.positions) }, (__, position) =>
      planEntity(random, actionType, `${mark}-${between(random, 0, ids)}`, position),
    );
    const model = modelAction(actionType, entityType, entities, given);
    ({ entities } = model);
    const lane = pick(random, LANES);
    return { idempotencyKey: `${mark}-${i}`, actionType, lane, entities: given, outcomes: model.outcomes };
  });
  return { accountId: pick(random, ACCOUNTS), mark, actions, entities };
}

/** Mostly a good one; ids repeat, so that duplicates, absent and existing entities come up by themselves. */
function planEntity(random: Random, type: ModelledActionType, id: string, position: number): GivenEntity {
  const row = { id, ref: `row ${position}` };
  if (type === 'delete') return random() < 0.02 ? { ...row, score: 1 } : row;
  if (random() < 0.02) return { ...row, score: 'high' };
  return { ...row, lastName: `Name ${position}`, score: between(random, 0, 100) };
}
