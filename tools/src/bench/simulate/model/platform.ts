import type { Lane } from '@bulk/domain';
import type { Cpu } from '../engine/server.ts';
import type { SimulatedAction, SimulatedActions, SimulatedBatch } from './actions.ts';
import type { Brokers } from './kafka.ts';
import type { Mongo } from './mongo.ts';
import type { SharedLaneWindows } from './shared-lane-windows.ts';
import type { World } from './world.ts';

/** A progress event. */
export interface ProgressEvent {
  readonly action: SimulatedAction;
  /** Whether it says that the action has ended. */
  readonly isEnd: boolean;
}

/** What the services of a simulated installation see of it and of each other. */
export interface Platform {
  readonly world: World;
  readonly mongo: Mongo;
  readonly brokers: Brokers;
  readonly redis: Cpu;
  readonly client: Cpu;
  readonly actions: SimulatedActions;
  readonly windows: SharedLaneWindows;
  readonly handlers: { append(lane: Lane, batch: SimulatedBatch): void };
  readonly aggregators: { append(batch: SimulatedBatch): void };
  readonly notifiers: { append(partition: number, event: ProgressEvent): void };
}
