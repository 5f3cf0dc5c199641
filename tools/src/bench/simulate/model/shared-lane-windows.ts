import type { Lane } from '@bulk/domain';
import type { Measured } from '@bulk/intake/dispatch';

interface Shared extends Measured {
  readonly by: string;
  readonly at: number;
}

/** The windows that the instances of intake share, and what they were over time. */
export class SharedLaneWindows {
  readonly #now: () => number;
  readonly #lanes = new Map<Lane, Shared>();
  /** Instance and lane → time of the last measurement that the instance has seen. */
  readonly #seen = new Map<string, number>();
  readonly #history: { readonly lane: Lane; readonly at: number; readonly size: number }[] = [];

  /** @param now virtual time, in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns what other instances have measured since the last call. */
  newsFor(instance: string, lanes: readonly Lane[]): Map<Lane, Measured> {
    const news = new Map<Lane, Measured>();
    for (const lane of lanes) {
      const found = this.#lanes.get(lane);
      if (found === undefined) continue;
      const key = `${instance} ${lane}`;
      if (found.by !== instance && this.#seen.get(key) !== found.at) news.set(lane, found);
      this.#seen.set(key, found.at);
    }
    return news;
  }

  /** Records measurements of an instance. @returns whether there were any. */
  record(by: string, lanes: readonly Lane[], takeMeasured: (lane: Lane) => Measured | undefined): boolean {
    let any = false;
    for (const lane of lanes) {
      const measured = takeMeasured(lane);
      if (measured === undefined) continue;
      any = true;
      this.#lanes.set(lane, { ...measured, by, at: this.#now() });
      this.#history.push({ lane, at: this.#now(), size: measured.size });
    }
    return any;
  }

  /** Returns the sizes that a lane's window had from a time on. */
  sizesOf(lane: Lane, from: number): number[] {
    return this.#history.filter((one) => one.lane === lane && one.at >= from).map(({ size }) => size);
  }
}
