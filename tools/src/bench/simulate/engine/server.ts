import { Places } from '@bulk/runtime';
import type { Engine } from './engine.ts';
import { Usage } from './usage.ts';

/** Serves requests in the order of their arrival, `places` of them at the same time. */
export class Server {
  readonly usage: Usage;
  readonly #engine: Engine;
  readonly #places: Places;

  constructor(engine: Engine, places: number) {
    this.#engine = engine;
    this.#places = new Places(places);
    this.usage = new Usage(places, () => engine.now());
  }

  /**
   * Takes a place for `ms` milliseconds.
   *
   * @param also measures the same time in addition to the server's own usage.
   */
  async use(ms: number, also?: Usage): Promise<void> {
    await this.hold(async () => {
      also?.add(1);
      await this.#engine.wait(ms);
      also?.add(-1);
    });
  }

  /** Takes a place while `work` runs. */
  hold(work: () => Promise<void>): Promise<void> {
    return this.#places.run(async () => {
      this.usage.add(1);
      await work();
      this.usage.add(-1);
    });
  }
}

/** Longest time that a process keeps a shared core while others wait for one, in ms. */
const SLICE_MS = 2;

/** The processor time of one process. Its threads may share cores with other processes. */
export class Cpu {
  /** The threads that compute. A thread that waits for a shared core does not count. */
  readonly usage: Usage;
  readonly #threads: Server;
  readonly #shared: Server | undefined;

  /** @param shared the cores of the machine; `undefined`: each thread has a core of its own. */
  constructor(engine: Engine, threads: number, shared?: Server) {
    this.usage = new Usage(threads, () => engine.now());
    this.#threads = new Server(engine, threads);
    this.#shared = shared;
  }

  /** Computes for `ms` milliseconds. */
  async run(ms: number): Promise<void> {
    const shared = this.#shared;
    if (shared === undefined) {
      await this.#threads.use(ms, this.usage);
      return;
    }
    await this.#threads.hold(async () => {
      for (let left = ms; left > 0; left -= SLICE_MS) await shared.use(Math.min(left, SLICE_MS), this.usage);
    });
  }
}
