import { describe, expect, it } from '@jest/globals';
import { WorkerLoop } from '@bulk/runtime';
import { Engine } from './engine.ts';
import { Random } from './random.ts';
import { Cpu, Server } from './server.ts';
import { Usage } from './usage.ts';

const LIMIT_MS = 1_000_000;

async function runToEnd(engine: Engine, work: Promise<unknown>): Promise<void> {
  let done = false;
  void work.then(() => (done = true));
  await engine.run(() => done, LIMIT_MS);
}

describe('Engine', () => {
  it('lets everything that a promise causes run before the clock moves on', async () => {
    const engine = new Engine();
    const seen: string[] = [];
    const chain = async (): Promise<void> => {
      await engine.wait(5);
      for (let i = 0; i < 50; i += 1) await Promise.resolve();
      seen.push(`chain at ${engine.now()}`);
    };
    const timer = engine.wait(5.5).then(() => seen.push(`timer at ${engine.now()}`));
    await runToEnd(engine, Promise.all([chain(), timer]));
    expect(seen).toEqual(['chain at 5', 'timer at 5.5']);
  });

  it('runs a loop of the platform in virtual time', async () => {
    const engine = new Engine();
    const rounds: number[] = [];
    const loop = new WorkerLoop({
      round: () => {
        rounds.push(engine.now());
        return Promise.resolve(100);
      },
      scheduler: engine.scheduler,
    });
    loop.start();
    await engine.run(() => rounds.length === 4, LIMIT_MS);
    expect(rounds.map((at) => at - rounds[0]!)).toEqual([0, 100, 200, 300]);
  });

  it('does not run an event that was cancelled', async () => {
    const engine = new Engine();
    let ran = false;
    engine.scheduler.after(1, () => (ran = true))();
    await runToEnd(engine, engine.wait(2));
    expect(ran).toBe(false);
  });

  it('fails with SIMULATION_STUCK if no event is left or the limit is reached', async () => {
    const stuck = expect.objectContaining({ code: 'SIMULATION_STUCK' });
    await expect(new Engine().run(() => false, LIMIT_MS)).rejects.toEqual(stuck);
    const engine = new Engine();
    void engine.wait(100);
    await expect(engine.run(() => false, 50)).rejects.toEqual(stuck);
  });
});

describe('Server', () => {
  it('needs 30 ms for three requests of 10 ms with one place, and is then used all the time', async () => {
    const engine = new Engine();
    const server = new Server(engine, 1);
    const ends: number[] = [];
    const requests = [1, 2, 3].map(() => server.use(10).then(() => ends.push(engine.now())));
    await runToEnd(engine, Promise.all(requests));
    expect(ends).toEqual([10, 20, 30]);
    expect(server.usage.area / (engine.now() * server.usage.capacity)).toBe(1);
  });

  it('has the mean number of requests that queueing theory predicts for one server (M/D/1)', async () => {
    const engine = new Engine();
    const random = new Random(7);
    const server = new Server(engine, 1);
    const present = new Usage(1, () => engine.now());
    const [load, serviceMs, count] = [0.7, 10, 20_000];
    const arrivals = async (): Promise<void> => {
      const served: Promise<void>[] = [];
      for (let i = 0; i < count; i += 1) {
        await engine.wait((-Math.log(1 - random.next()) * serviceMs) / load);
        present.add(1);
        served.push(server.use(serviceMs).then(() => present.add(-1)));
      }
      await Promise.all(served);
    };
    await runToEnd(engine, arrivals());
    const expected = load + load ** 2 / (2 * (1 - load));
    expect(present.area / engine.now() / expected).toBeCloseTo(1, 1);
    expect(server.usage.area / engine.now()).toBeCloseTo(load, 1);
  });
});

describe('Cpu', () => {
  it('shares two cores fairly, and no thread counts as busy while it waits for a core', async () => {
    const engine = new Engine();
    const cores = new Server(engine, 2);
    const cpus = [1, 2, 3, 4].map(() => new Cpu(engine, 1, cores));
    await runToEnd(engine, Promise.all(cpus.map((cpu) => cpu.run(10))));
    expect(engine.now()).toBe(20);
    expect(cpus.map(({ usage }) => usage.area)).toEqual([10, 10, 10, 10]);
    expect(cores.usage.area).toBe(40);
  });
});

describe('Random', () => {
  it('repeats its numbers with the same seed, spread evenly', () => {
    const [a, b, other] = [new Random(1), new Random(1), new Random(2)];
    const numbers = Array.from({ length: 10_000 }, () => a.next());
    expect(numbers).toEqual(numbers.map(() => b.next()));
    expect(other.next()).not.toBe(numbers[0]);
    expect(numbers.reduce((sum, one) => sum + one, 0) / numbers.length).toBeCloseTo(0.5, 1);
  });
});
