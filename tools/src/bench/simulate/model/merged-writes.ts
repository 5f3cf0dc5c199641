import { LANES, type Lane } from '@bulk/domain';
import { ENTITY_WRITE_LIMITS, GroupCommit, PATIENCE_MS, type GroupItem } from '@bulk/mongo';
import type { Cpu } from '../engine/server.ts';
import type { Mongo } from './mongo.ts';
import type { World } from './world.ts';

/** Bytes of an operation with four short fields. */
const OPERATION_BYTES = 500;

interface Write extends GroupItem {
  readonly written: () => void;
}

/** The entity writes of one handler: the platform's own class groups those that wait at the same time. */
export class MergedWrites {
  readonly #world: World;
  readonly #groups: GroupCommit<Write>;

  constructor(world: World, mongo: Mongo, cpu: Cpu) {
    this.#world = world;
    // One more group may be under way while a lane above the others writes.
    const usage = world.usage('entity writes', ENTITY_WRITE_LIMITS.concurrency + 1);
    this.#groups = new GroupCommit(ENTITY_WRITE_LIMITS, async (group) => {
      const { updateCpuUs, mongoUpdateUs } = world.parameters;
      const entities = group.reduce((sum, { operations }) => sum + operations, 0);
      usage.add(1);
      await cpu.run((entities * updateCpuUs) / 1_000);
      const workMs = (entities * mongoUpdateUs) / 1_000;
      await mongo.command(cpu, { workMs, majority: true }, () => undefined);
      usage.add(-1);
      for (const { written } of group) written();
    });
  }

  /** Writes the entities of a batch. */
  write(lane: Lane, entities: number): Promise<void> {
    const rank = this.#world.engine.now() + PATIENCE_MS[lane];
    const bytes = entities * OPERATION_BYTES;
    return new Promise((written) =>
      this.#groups.add({ rank, urgency: LANES.indexOf(lane), operations: entities, bytes, written }),
    );
  }
}
