import type { ProgressState } from '@bulk/contracts';

/** The versions of the actions seen last, so many at most; the one that was seen the longest ago is forgotten first. */
export class RememberedVersions {
  readonly #limit: number;
  readonly #versions = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add({ actionId, version }: ProgressState): void {
    this.#versions.delete(actionId);
    this.#versions.set(actionId, version);
    if (this.#versions.size <= this.#limit) return;
    for (const oldest of this.#versions.keys()) {
      this.#versions.delete(oldest);
      return;
    }
  }

  /** -1 where it is not remembered. */
  versionOf(actionId: string): number {
    return this.#versions.get(actionId) ?? -1;
  }
}
