/** State of one thing that a service needs in order to be ready. */
export interface ComponentHealth {
  readonly state: 'ready' | 'waiting' | 'stopping';
  /** Why it is not ready. */
  readonly reason?: string;
}

/** What `/readyz` answers from: ready when every component is. */
export class Health {
  readonly #components = new Map<string, ComponentHealth>();
  #stopping = false;

  set(component: string, state: 'ready' | 'waiting', reason?: string): void {
    this.#components.set(component, reason === undefined ? { state } : { state, reason });
  }

  /** From now on the service says that it is not ready, so that nothing new is sent to it. */
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
