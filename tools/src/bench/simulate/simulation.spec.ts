import { describe, expect, it } from '@jest/globals';
import { CountedTwiceError, SimulatedAction } from './model/actions.ts';
import { Brokers, Producer } from './model/kafka.ts';
import { parametersOf, type Parameters } from './model/parameters.ts';
import { Random } from './engine/random.ts';
import { Engine } from './engine/engine.ts';
import { World } from './model/world.ts';
import { boundOf } from './report/bound.ts';
import { changedBy } from './report/sweep.ts';
import { large, scenariosOf } from './scenarios.ts';
import { simulate, type Outcome } from './simulation.ts';

const ENTITIES = 10_000;

function outcome(changes: Partial<Parameters> = {}, seed = 1): Promise<Outcome> {
  const parameters = { ...parametersOf('cluster'), partitions: 12, ...changes };
  return simulate(large('large', '', ENTITIES, 'update'), parameters, { seed, withSmall: false });
}

describe('a simulation', () => {
  it('counts each batch once, and no part is used more than all the time', async () => {
    // A second count of a batch throws, and the run ends only when every batch is counted.
    const { entities, batches, utilisation, perSecond } = await outcome();
    expect(entities).toBe(ENTITIES);
    expect(batches).toBeGreaterThanOrEqual(ENTITIES / 100);
    expect(perSecond).toBeGreaterThan(0);
    for (const { mean, most } of utilisation.values()) {
      expect(mean).toBeLessThanOrEqual(most + 1e-9);
      expect(most).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  it('has the same outcome with the same seed', async () => {
    expect(await outcome({}, 3)).toEqual(await outcome({}, 3));
  });

  it('is bound by MongoDB when MongoDB is slow, at the rate that its work takes', async () => {
    const changes = { mongoCores: 1, mongoUpdateUs: 2_000, laneMinPercent: 500 };
    const slow = await outcome(changes);
    expect(boundOf(slow, { ...parametersOf('cluster'), ...changes })).toMatch(/^the cores of MongoDB/);
    // One core that takes 2 ms for an entity updates at most 500 entities/s.
    expect(slow.perSecond).toBeLessThanOrEqual(500);
    expect(slow.perSecond).toBeGreaterThan(400);
  });

  it('is faster with a larger minimum window when nothing else bounds it', async () => {
    const [small, wide] = [await outcome({ laneMinPercent: 60 }), await outcome({ laneMinPercent: 480 })];
    expect(wide.perSecond).toBeGreaterThan(small.perSecond);
  });

  it('ends every scenario, with small actions during its load', async () => {
    for (const scenario of scenariosOf(10_000)) {
      const parameters = { ...parametersOf('cluster'), partitions: 6 };
      const { smallMs, entities } = await simulate(scenario, parameters, { seed: 1, withSmall: true });
      expect([scenario.name, entities > 0, (smallMs ?? 0) > 0]).toEqual([scenario.name, true, true]);
    }
  }, 60_000);
});

describe('SimulatedAction', () => {
  const draft = { id: 'a', accountId: 'a', lane: 'normal', work: 'noop', entities: 1_234 } as const;
  const cut = { partitions: 7, resultsPartitions: 3, batchSize: 100 };
  const action = () => new SimulatedAction(draft, cut, { random: new Random(1), now: 0 });

  it('puts every entity into a batch of at most the batch size', () => {
    const { batches } = action();
    expect(batches.reduce((sum, { entities }) => sum + entities, 0)).toBe(1_234);
    expect(Math.max(...batches.map(({ entities }) => entities))).toBeLessThanOrEqual(100);
    expect(batches.map(({ batchNo }) => batchNo)).toEqual(batches.map((_, i) => i));
  });

  it('refuses a second count of a batch', () => {
    const one = action();
    one.count(0, 1);
    expect(() => one.count(0, 2)).toThrow(CountedTwiceError);
  });
});

describe('Producer', () => {
  it('sends what is asked for during a request in the next request to the same broker', async () => {
    const world = new World(new Engine(), { ...parametersOf('cluster'), jitterPercent: 0, brokers: 2 }, 1);
    const brokers = new Brokers(world);
    const producer = new Producer(world, brokers, world.cpu('intake CPU'));
    const arrived: number[] = [];
    const parcel = (partition: number) => ({ partition, arrive: () => void arrived.push(partition) });
    let done = false;
    void Promise.all([0, 2, 4, 1].map((partition) => producer.send([parcel(partition)]))).then(
      () => (done = true),
    );
    await world.engine.run(() => done, 1_000);
    expect(arrived.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 4]);
    // Partition 1 has a broker of its own. The parcels for the other broker need at most two requests.
    expect(brokers.requests).toBeLessThanOrEqual(3);
  });
});

describe('changedBy', () => {
  it('keeps whole numbers whole and above zero, and times as they are', () => {
    const changed = changedBy(parametersOf('cluster'), { partitions: 0.01, majorityMs: 0.5, intakes: 2 });
    expect([changed.partitions, changed.majorityMs, changed.intakes]).toEqual([1, 2.5, 6]);
  });
});
