import { LANES, type Lane } from '@bulk/domain';
import { LaneWindow, type LaneWindowOptions } from './lane-window.ts';
import type { SharedWindows } from './shared-windows.ts';

/**
 * Time between two exchanges with the other instances, in ms. All instances know a window after at
 * most this delay.
 */
const EXCHANGE_EVERY_MS = 1_000;

/** Holds the windows of all lanes and keeps them equal among the instances of intake. */
export class LaneWindows {
  readonly #windows: ReadonlyMap<Lane, LaneWindow>;
  readonly #options: LaneWindowOptions;
  readonly #instanceId: string;
  #exchangedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LaneWindowOptions, instanceId: string) {
    this.#options = options;
    this.#instanceId = instanceId;
    this.#windows = new Map(LANES.map((lane) => [lane, new LaneWindow(options)]));
  }

  /** Returns the maximum number of batches in flight in a lane: see `LaneWindow.sizeAt`. */
  sizeAt(lane: Lane, now: number, newcomersLikely: boolean): number {
    return this.#windows.get(lane)?.sizeAt(now, newcomersLikely) ?? this.#options.min;
  }

  /** Returns the size of the window of each lane: see `LaneWindow.sizeAt`. */
  sizesAt(now: number, newcomersLikely: boolean): [Lane, number][] {
    return [...this.#windows].map(([lane, window]) => [lane, window.sizeAt(now, newcomersLikely)]);
  }

  /** How long batches of a lane take at present, in ms; `undefined` if none was measured here. */
  latencyOf(lane: Lane): number | undefined {
    return this.#windows.get(lane)?.latencyMs;
  }

  /** See `LaneWindow.observe`. */
  observe(lane: Lane, times: readonly number[], held: boolean, now: number): void {
    this.#windows.get(lane)?.observe(times, held, now);
  }

  /** Shares the windows with the other instances, if an exchange is due. @throws StoreError. */
  async exchange(shared: Pick<SharedWindows, 'exchange'>, now: number): Promise<void> {
    if (now - this.#exchangedAt < EXCHANGE_EVERY_MS) return;
    this.#exchangedAt = now;
    const adopted = await shared.exchange(this.#instanceId, LANES, (lane) =>
      this.#windows.get(lane)?.takeMeasured(),
    );
    for (const [lane, measured] of adopted) this.#windows.get(lane)?.adopt(measured, now);
  }
}
