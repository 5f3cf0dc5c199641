import { median } from '../measure/medians.ts';
import type { SimulatedAction, Work } from './model/actions.ts';
import { Installation } from './model/installation.ts';
import type { Parameters } from './model/parameters.ts';
import type { Part } from './model/world.ts';
import { smallActions, type Scenario } from './scenarios.ts';

/** Utilisation of a part between two times, from 0 to 1. */
export interface Utilisation {
  readonly mean: number;
  /** That of the busiest instance, partition or connection. */
  readonly most: number;
}

/** What a simulated scenario has shown. */
export interface Outcome {
  readonly entities: number;
  readonly batches: number;
  /** From the first publication to the last count. */
  readonly perSecond: number;
  /** From the request of the first action to the last frame that the client has, in s. */
  readonly seconds: number;
  readonly utilisation: ReadonlyMap<Part, Utilisation>;
  /** Median size of the lane's window, in full batches; `undefined` if nothing was measured. */
  readonly window: number | undefined;
  /** What is in flight on average, in full batches. */
  readonly inFlight: number;
  readonly kafkaRequestsPerBatch: number;
  readonly mongoCommandsPerBatch: number;
  /** Time in use per batch by part, in ms, with the staging. */
  readonly cpuMs: ReadonlyMap<Part, number>;
  /** Median time of a small action in the lane of the load, in ms; `undefined` if none was measured. */
  readonly smallMs: number | undefined;
}

/** Longest virtual time of a simulation, in ms. */
const LIMIT_MS = 7_200_000;
const SMALL_RUNS = 9;
const SMALL_PAUSE_MS = 200;

/** Runs a scenario on an installation of its own. @throws SimulationStuckError if it does not end. */
export async function simulate(
  scenario: Scenario,
  parameters: Parameters,
  { seed, withSmall }: { readonly seed: number; readonly withSmall: boolean },
): Promise<Outcome> {
  const installation = new Installation(parameters, seed);
  const { engine } = installation.world;
  let load: readonly SimulatedAction[] = [];
  const failures: unknown[] = [];
  const failed = (error: unknown): void => void failures.push(error);
  scenario.start(installation).then((actions) => (load = actions), failed);
  const until = async (isDone: () => boolean): Promise<void> => {
    await engine.run(() => failures.length > 0 || isDone(), LIMIT_MS);
    if (failures.length > 0) throw failures[0];
  };
  const started = (): boolean => installation.actions.all.some((one) => one.firstPublishedAt !== undefined);
  await until(started);
  const before = snapshotOf(installation);
  let small: readonly number[] | undefined = withSmall ? undefined : [];
  if (withSmall) {
    smallActions(installation, {
      count: SMALL_RUNS,
      pauseMs: SMALL_PAUSE_MS,
      intake: parameters.intakes - 1,
      lane: scenario.lane,
      work: scenario.work,
    }).then((times) => (small = times), failed);
  }
  await until(() => load.length > 0 && load.every(({ countedAt }) => countedAt !== undefined));
  const after = snapshotOf(installation);
  await until(() => small !== undefined && load.every(({ seenAt }) => seenAt !== undefined));
  return outcomeOf(load, { before, after, small: small ?? [], scenario, installation });
}

/** Returns the median time of small actions while nothing else runs, in ms. */
export async function smallAlone(parameters: Parameters, seed: number, work: Work): Promise<number> {
  const installation = new Installation(parameters, seed);
  let times: readonly number[] | undefined;
  smallActions(installation, { count: SMALL_RUNS, pauseMs: 500, intake: 0, lane: 'normal', work }).then(
    (all) => (times = all),
    () => (times = []),
  );
  await installation.world.engine.run(() => times !== undefined, LIMIT_MS);
  return median(times ?? []);
}

interface Snapshot {
  readonly at: number;
  readonly areas: ReadonlyMap<Part, readonly number[]>;
  readonly inFlight: number;
  readonly requests: number;
  readonly commands: number;
  readonly batches: number;
}

function snapshotOf({ world, actions, brokers, mongo }: Installation): Snapshot {
  return {
    at: world.engine.now(),
    areas: new Map([...world.usages].map(([part, usages]) => [part, usages.map(({ area }) => area)])),
    inFlight: actions.inFlight.area,
    requests: brokers.requests,
    commands: mongo.commands,
    batches: sum(actions.all.map(({ countedBatches }) => countedBatches)),
  };
}

interface Run {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly small: readonly number[];
  readonly scenario: Scenario;
  readonly installation: Installation;
}

function outcomeOf(load: readonly SimulatedAction[], run: Run): Outcome {
  const { before, after, small, scenario, installation } = run;
  const entities = sum(load.map(({ total }) => total));
  const times = (of: (action: SimulatedAction) => number | undefined): number[] =>
    load.map((action) => of(action) ?? Number.NaN);
  const ms = after.at - before.at;
  const utilisation = new Map<Part, Utilisation>();
  const cpuMs = new Map<Part, number>();
  for (const [part, usages] of installation.world.usages) {
    const used = usages.map(({ capacity }, i) => {
      const area = (after.areas.get(part)?.[i] ?? 0) - (before.areas.get(part)?.[i] ?? 0);
      return area / (capacity * ms);
    });
    utilisation.set(part, { mean: sum(used) / Math.max(1, used.length), most: Math.max(...used) });
    cpuMs.set(part, sum(after.areas.get(part) ?? []) / after.batches);
  }
  const sizes = installation.windows.sizesOf(scenario.lane, before.at);
  return {
    entities,
    batches: sum(load.map((action) => action.batches.length)),
    perSecond: (entities * 1_000) / ms,
    seconds: (Math.max(...times(({ seenAt }) => seenAt)) - Math.min(...times((a) => a.requestedAt))) / 1_000,
    utilisation,
    window: sizes.length === 0 ? undefined : median(sizes),
    inFlight: (after.inFlight - before.inFlight) / ms,
    kafkaRequestsPerBatch: after.requests / after.batches,
    mongoCommandsPerBatch: after.commands / after.batches,
    cpuMs,
    smallMs: small.length === 0 ? undefined : median(small),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
