import { CodedError, DependencyError, messageOf } from '@bulk/domain';
import type { Health } from './health.ts';
import { backgroundScheduler } from './scheduler.ts';
import { WorkerLoop } from './worker-loop.ts';

export interface WatchedDependency {
  /** Its name on `/healthz`. */
  readonly name: string;
  /** Code of the errors that real work gets while the dependency is unavailable. */
  readonly code?: string;
  /** Checks cheaply that the dependency answers. Rejects if it does not. It must settle eventually. */
  readonly probe: () => Promise<unknown>;
  /**
   * When the dependency is probed.
   *
   * - `idle`: whenever no work has used it for an interval.
   * - `failed`: only after work has failed, until the dependency is back. Use it for a dependency that is needed so
   *   rarely that its outage alone must not make the service unhealthy.
   *
   * @default 'idle'
   */
  readonly probed?: 'idle' | 'failed';
}

export interface ProbeTimes {
  /** Time between two probes, in ms. */
  readonly intervalMs: number;
  /** Time without an answer to a probe after which the dependency counts as unavailable, in ms. */
  readonly timeoutMs: number;
  /**
   * How long a refusal counts, in ms, if a dependency answers probes but refuses work. Successful work ends it at once.
   *
   * @default 300,000
   */
  readonly refusalMs?: number;
}

const DEFAULT_REFUSAL_MS = 300_000;

export interface DependencyWatchOptions extends ProbeTimes {
  readonly health: Health;
  /** Aborts when the service stops. Nothing is probed from then on. */
  readonly signal: AbortSignal;
}

interface Watched extends WatchedDependency {
  /** Whether work has got an answer since the last check. */
  told: boolean;
  /** Number of changes between available and unavailable. */
  changes: number;
  /** Until when no probe may report it as available, since it has refused work; on the monotonic clock. */
  refusedUntil: number;
}

/**
 * Keeps `/healthz` up to date with the outages of a service's dependencies after its start. It uses the errors and
 * successes of real work, and a probe if there is no work. A dependency has at most one probe at a time.
 *
 * A probe detects whether a dependency answers, not whether it does the work. After a refusal (a missing right, a full
 * disk) only successful work, or a long time, makes the dependency available again.
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
   * Runs work that uses these dependencies and updates their health from its result. Rejects if the work does.
   *
   * If a dependency changed between available and unavailable during the work, the result does not count for it: it is
   * unknown whether the answer is from before or after the change.
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

  /** Reports that real work got an answer from the dependency. */
  worked(name: string): void {
    this.#worked(name, () => true);
  }

  /** Reports that real work failed. It has no effect unless the error is that of an unavailable dependency. */
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
    // The probe alone keeps no process running.
    const loop = new WorkerLoop({ round, scheduler: backgroundScheduler });
    signal.addEventListener('abort', () => void loop.stop(), { once: true });
    loop.start(intervalMs);
  }

  async #look(watched: Watched): Promise<void> {
    const failed = !this.#options.health.isReady(watched.name);
    const told = watched.told && !failed;
    watched.told = false;
    if (told || (watched.probed === 'failed' && !failed)) return;
    await this.#probe(watched);
  }

  /** Probes a dependency. A late answer also counts: the dependency is back. */
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
