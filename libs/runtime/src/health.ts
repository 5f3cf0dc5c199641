import type { Logger } from './logger.ts';
import type { Redact } from './secrets.ts';

/** State of one component that a service needs in order to be healthy. */
export interface ComponentHealth {
  readonly state: 'ready' | 'waiting' | 'stopping';
  /** Why it is not ready. */
  readonly reason?: string;
}

/** The answer of `/readyz` and `/healthz`. They differ in their status. */
export interface HealthReport {
  readonly ready: boolean;
  readonly healthy: boolean;
  readonly stopping: boolean;
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/**
 * Holds the state that `/readyz` and `/healthz` report.
 *
 * A service is healthy while every component is ready. It is ready, which means that a load balancer may send work to
 * it, while it is healthy. If it keeps its readiness, it is ready from its first healthy moment until it stops.
 *
 * Any observer of a component may set its state, as often as it likes. An outage of a ready component is logged once,
 * at warn, and its end once, at info.
 */
export class Health {
  readonly #log: Pick<Logger, 'warn' | 'info'> | undefined;
  readonly #redact: Redact;
  readonly #components = new Map<string, ComponentHealth>();
  /** Components that were ready before and are not now. `openDependency` logs what a start waits for. */
  readonly #lost = new Set<string>();
  #keepsReadiness = false;
  #started = false;
  #stopping = false;

  /** @param redact removes secrets from reasons, which are errors of clients and are shown on `/readyz`. */
  constructor(log?: Pick<Logger, 'warn' | 'info'>, redact: Redact = (text) => text) {
    this.#log = log;
    this.#redact = redact;
  }

  set(component: string, state: 'ready' | 'waiting', reason?: string): void {
    const before = this.#components.get(component)?.state;
    this.#components.set(
      component,
      reason === undefined ? { state } : { state, reason: this.#redact(reason) },
    );
    this.#started ||= this.healthy;
    if (this.#stopping || before === state) return;
    if (state === 'ready') {
      if (this.#lost.delete(component)) this.#log?.info({ dependency: component }, 'Dependency recovered');
    } else if (before === 'ready') {
      this.#lost.add(component);
      this.#log?.warn({ dependency: component, reason }, 'Dependency unavailable');
    }
  }

  /** Returns whether the component exists and is ready. */
  isReady(component: string): boolean {
    return this.#components.get(component)?.state === 'ready';
  }

  /**
   * Keeps the service ready from its first healthy moment until it stops, for a service behind a load balancer.
   *
   * All instances share their dependencies, so one outage would leave a load balancer without any instance. Callers
   * would get its bare error instead of an answer of the service. Call it once a component is waiting that becomes
   * ready last, or the service is ready before it listens.
   */
  keepReadiness(): void {
    this.#keepsReadiness = true;
  }

  /** Reports from now on that the service is not ready, so that it gets no new work. */
  stop(): void {
    this.#stopping = true;
  }

  /** Whether `/readyz` answers 200. */
  get ready(): boolean {
    return this.healthy || (this.#keepsReadiness && this.#started && !this.#stopping);
  }

  /** Whether `/healthz` answers 200: every component is ready, and the service does not stop. */
  get healthy(): boolean {
    return (
      !this.#stopping &&
      this.#components.size > 0 &&
      [...this.#components.values()].every((c) => c.state === 'ready')
    );
  }

  report(): HealthReport {
    return {
      ready: this.ready,
      healthy: this.healthy,
      stopping: this.#stopping,
      components: Object.fromEntries(this.#components),
    };
  }
}
