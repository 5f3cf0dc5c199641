import { Engine } from '../engine/engine.ts';
import type { Cpu } from '../engine/server.ts';
import { SimulatedActions } from './actions.ts';
import { Aggregators } from './aggregators.ts';
import { Handlers } from './handlers.ts';
import { Intake } from './intake.ts';
import { Brokers } from './kafka.ts';
import { Mongo } from './mongo.ts';
import { Notifiers } from './notifiers.ts';
import type { Parameters } from './parameters.ts';
import type { Platform } from './platform.ts';
import { SharedLaneWindows } from './shared-lane-windows.ts';
import { World } from './world.ts';

/** Time between two looks for due actions that no request causes (`DISPATCH_CRON`), in ms. */
const WAKE_EVERY_MS = 5_000;

/** A simulated installation of the platform. */
export class Installation implements Platform {
  readonly world: World;
  readonly mongo: Mongo;
  readonly brokers: Brokers;
  readonly redis: Cpu;
  readonly client: Cpu;
  readonly actions: SimulatedActions;
  readonly windows: SharedLaneWindows;
  readonly handlers: Handlers;
  readonly aggregators: Aggregators;
  readonly notifiers: Notifiers;
  readonly intakes: readonly Intake[];

  constructor(parameters: Parameters, seed: number) {
    const engine = new Engine();
    this.world = new World(engine, parameters, seed);
    this.mongo = new Mongo(this.world);
    this.brokers = new Brokers(this.world);
    this.redis = this.world.cpu('Redis CPU');
    this.client = this.world.cpu('client CPU', parameters.sharedCores > 0 ? 1 : 1_000);
    this.actions = new SimulatedActions(engine);
    this.windows = new SharedLaneWindows(() => engine.now());
    this.handlers = new Handlers(this);
    this.aggregators = new Aggregators(this);
    this.notifiers = new Notifiers(this);
    this.intakes = Array.from({ length: parameters.intakes }, (_, i) => new Intake(this, `intake-${i + 1}`));
    this.#wakeInTurn();
  }

  #wakeInTurn(): void {
    this.world.engine.scheduler.after(WAKE_EVERY_MS, () => {
      for (const intake of this.intakes) intake.wake();
      this.#wakeInTurn();
    });
  }
}
