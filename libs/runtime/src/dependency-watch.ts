import { CodedError, DependencyError, messageOf } from '@bulk/domain';
import type { Health } from './health.ts';
import { backgroundScheduler } from './scheduler.ts';
import { WorkerLoop } from './worker-loop.ts';

export interface WatchedDependency {
  /** Its name on `/readyz`. */
  readonly name: string;
  /** Code of the errors by which real work says that it is away. */
  readonly code?: string;
  /** Asks for an answer, cheaply; rejects when there is none. Has to settle some time. */
  readonly probe: () => Promise<unknown>;
  /**
   * `idle` (the default): asked whenever no work has told for an interval. `away`: asked only once work has failed, to see
   * it come back; for what is needed so rarely that its absence alone is no reason to be not ready.
   */
  readonly probed?: 'idle' | 'away';
}

export interface ProbeTimes {
  /** Time between two looks, in ms. */
  readonly intervalMs: number;
  /** A probe without an answer for so long, in ms, says that the dependency is away. */
  readonly timeoutMs: number;
  /**
   * How long a refusal counts, in ms, when a dependency answers probes but refuses work. Work that goes well ends it at once.
   *
   * @default 300,000
   */
  readonly refusalMs?: number;
}

const DEFAULT_REFUSAL_MS = 300_000;

export interface DependencyWatchOptions extends ProbeTimes {
  readonly health: Health;
  /** Aborts when the service is told to stop: nothing is asked from then on. */
  readonly signal: AbortSignal;
}

interface Watched extends WatchedDependency {
  /** Whether work has told that it answers since the last look. */
  told: boolean;
  /** How often it has gone away or come back. */
  changes: number;
  /** Until when no probe may say that it is back, since it has refused work; on the monotonic clock. */
  refusedUntil: number;
}

/**
 * Has `/readyz` follow the outages of what a service needs after its start, by the errors and successes of its real work,
 * and by a probe where there is none. One probe of a dependency at a time. A probe sees whether a dependency answers, not
 * whether it does the work: after a refusal (a missing right, a full disk) only work, or a long time, says that it is back.
 */
export class DependencyWatch {
  readonly #options: DependencyWatchOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: DependencyWatchOptions) {
    this.#options = options;
  }

  /** Watches a dependency that has been opened, until the service stops. */
  add(dependency: WatchedDependency): void {
    const watched = { ...dependency, told: true, changes: 0, refusedUntil: 0 };
    this.#watched.set(dependency.name, watched);
    this.#follow(watched);
  }

  /**
   * Work that needs these dependencies: what becomes of it tells of them. Rejects as the work does. Of one that has gone
   * away or come back in the middle of it, it tells nothing: nobody knows on which side of that its answer lies.
   */
  async during<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = new Map([...this.#watched.values()].map((watched) => [watched, watched.changes]));
    const isSame = (watched: Watched): boolean => before.get(watched) === watched.changes;
    try {
      const result = await work();
      for (const name of names) this.#worked(name, isSame);
      return result;
    } catch (error) {
      this.#failed(error, isSame);
      throw error;
    }
  }

  /** Real work has had an answer from the dependency. */
  worked(name: string): void {
    this.#worked(name, () => true);
  }

  /** Real work has failed; tells nothing unless the error is one of a dependency that is away. */
  failed(error: unknown): void {
    this.#failed(error, () => true);
  }

  #worked(name: string, counts: (watched: Watched) => boolean): void {
    const watched = this.#watched.get(name);
    if (watched === undefined || !counts(watched)) return;
    watched.told = true;
    watched.refusedUntil = 0;
    this.#set(watched, 'ready');
  }

  #failed(error: unknown, counts: (watched: Watched) => boolean): void {
    if (!(error instanceof CodedError) || !error.retryable) return;
    for (const watched of this.#watched.values()) {
      if (watched.code !== error.code || !counts(watched)) continue;
      watched.told = false;
      if (error instanceof DependencyError && error.refused)
        watched.refusedUntil = performance.now() + (this.#options.refusalMs ?? DEFAULT_REFUSAL_MS);
      this.#set(watched, 'waiting', error.message);
    }
  }

  #set(watched: Watched, state: 'ready' | 'waiting', reason?: string): void {
    const { health } = this.#options;
    if (health.isReady(watched.name) !== (state === 'ready')) watched.changes += 1;
    health.set(watched.name, state, reason);
  }

  #follow(watched: Watched): void {
    const { signal, intervalMs } = this.#options;
    if (signal.aborted) return;
    const round = async (): Promise<number> => {
      await this.#look(watched);
      return intervalMs;
    };
    // A probe alone keeps no process running.
    const loop = new WorkerLoop({ round, scheduler: backgroundScheduler });
    signal.addEventListener('abort', () => void loop.stop(), { once: true });
    loop.start(intervalMs);
  }

  async #look(watched: Watched): Promise<void> {
    const away = !this.#options.health.isReady(watched.name);
    const told = watched.told && !away;
    watched.told = false;
    if (told || (watched.probed === 'away' && !away)) return;
    await this.#probe(watched);
  }

  /** A late answer is one: then it has come back. */
  async #probe(watched: Watched): Promise<void> {
    const { signal, timeoutMs } = this.#options;
    if (signal.aborted) return;
    const say = (state: 'ready' | 'waiting', reason?: string): void => {
      if (!signal.aborted) this.#set(watched, state, reason);
    };
    const timer = setTimeout(() => say('waiting', `no answer within ${timeoutMs} ms`), timeoutMs);
    timer.unref();
    try {
      await watched.probe();
      if (performance.now() >= watched.refusedUntil) say('ready');
    } catch (error) {
      say('waiting', messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }
}
