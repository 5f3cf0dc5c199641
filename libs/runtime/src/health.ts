import type { Logger } from './logger.ts';
import type { Redact } from './secrets.ts';

/** State of one component that a service needs in order to be ready. */
export interface ComponentHealth {
  readonly state: 'ready' | 'waiting' | 'stopping';
  /** Why it is not ready. */
  readonly reason?: string;
}

/**
 * Holds the state that `/readyz` reports: ready if every component is. Any observer of a component may set its state,
 * as often as it likes. An outage of a ready component is logged once, at warn, and its end once, at info.
 */
export class Health {
  readonly #log: Pick<Logger, 'warn' | 'info'> | undefined;
  readonly #redact: Redact;
  readonly #components = new Map<string, ComponentHealth>();
  /** Components that were ready before and are not now. `openDependency` logs what a start waits for. */
  readonly #lost = new Set<string>();
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

  /** Reports from now on that the service is not ready, so that it gets no new work. */
  stop(): void {
    this.#stopping = true;
  }

  get ready(): boolean {
    return (
      !this.#stopping &&
      this.#components.size > 0 &&
      [...this.#components.values()].every((c) => c.state === 'ready')
    );
  }

  report(): { ready: boolean; stopping: boolean; components: Record<string, ComponentHealth> } {
    return { ready: this.ready, stopping: this.#stopping, components: Object.fromEntries(this.#components) };
  }
}
