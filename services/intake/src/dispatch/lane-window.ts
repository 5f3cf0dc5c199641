export interface LaneWindowOptions {
  /** Minimum number of full batches in flight outside probes, and the initial size of the window. */
  readonly min: number;
  /** The same while newcomers are likely. @default min */
  readonly minForNewcomers?: number;
  readonly max: number;
  /** Target latency of a batch, as a multiple of its latency on an idle lane; above 1. */
  readonly tolerance: number;
  /** How often the latency on an idle lane is measured again, in ms. */
  readonly probeEveryMs: number;
}

/** Full batches of the smallest window for each partition of a lane. */
const MIN_PER_PARTITION = 5 / 3;
/**
 * The same while newcomers are likely. With 12 partitions, 8 batches instead of 20 halve the time of a small action
 * (204 instead of 365 ms), and make a large one 12 % slower.
 */
const MIN_PER_PARTITION_FOR_NEWCOMERS = 2 / 3;

/**
 * Returns the minimum window of a lane, in full batches, if the configuration names none.
 *
 * Each partition works on one group of batches at a time, so a window that does not grow with the partitions leaves
 * handlers idle. With 6 partitions, 12 batches instead of 10 made updates 8 % faster, and a small action in the same
 * lane took more than three times as long as alone.
 *
 * @param partitions number of partitions of a lane.
 */
export function minWindowOf(partitions: number): number {
  return Math.max(2, Math.ceil(partitions * MIN_PER_PARTITION));
}

/** Returns the minimum window of a lane while newcomers are likely, in full batches: see `minWindowOf`. */
export function minWindowForNewcomersOf(partitions: number): number {
  return Math.max(2, Math.ceil(partitions * MIN_PER_PARTITION_FOR_NEWCOMERS));
}

/** Shorter times count as this one, in ms, so that ratios stay finite. */
const SHORTEST_MS = 1;
/** Bounds of one change of the window, because single samples may be far off. */
const SHRINK = 0.7;
const GROW = 1.5;
/**
 * Length of a probe, as a multiple of the idle latency. The batches in front of the probe's own
 * ones must leave first.
 */
const PROBE_LENGTH = 3;
/** Number of spans between probes for which the idle latency of another instance is valid. */
const ELSEWHERE_PROBES = 2;
/**
 * Size of the window in a probe, as a part of the number of batches in flight without a queue.
 * Below 1, in case the window has grown too far.
 */
const PROBE_PART = 0.7;

/** The measurements of a lane. */
export interface Measured {
  /** Maximum number of batches in flight. */
  readonly size: number;
  /** Latency of a batch on an idle lane, in ms. */
  readonly restMs: number;
}

/**
 * Finds how many batches may be in flight in a lane from how long they take.
 *
 * The window keeps the handlers busy and limits how much longer than on an idle lane a newcomer
 * waits.
 *
 * The method is that of TCP Vegas (Brakmo and Peterson, 1995) and of Netflix' gradient limit for
 * concurrency. The shortest time seen is that of a batch which waits for no other; a batch spends
 * the excess in a queue. That ratio changes the window, at most once per latency, because a change
 * shows no earlier. At intervals the queue is allowed to run dry for a moment (as in BBR's
 * ProbeRTT, 2016), so that the latency of a lasting queue is not taken for that of an idle lane. A
 * lane in which the window holds nothing back has no lasting queue and is not interrupted.
 */
export class LaneWindow {
  readonly #options: LaneWindowOptions;
  #size: number;
  /** Shortest times in the span before the last probe and since it, in ms. */
  #before = Number.POSITIVE_INFINITY;
  #shortest = Number.POSITIVE_INFINITY;
  #probedAt = Number.NEGATIVE_INFINITY;
  #probeEnd = Number.NEGATIVE_INFINITY;
  /** Whether the window has kept batches from being published since the last probe. */
  #hasHeld = false;
  /** Moving average of the times, in ms. */
  #latencyMs: number | undefined;
  /** Times since the last change, in ms. */
  #times: number[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;
  /**
   * Shortest time that another instance has seen, in ms, and the monotonic time until which it is
   * valid.
   */
  #elsewhereMs = Number.POSITIVE_INFINITY;
  #elsewhereUntil = Number.NEGATIVE_INFINITY;
  /** Whether this instance has changed the size since the last `takeMeasured` or `adopt`. */
  #measured = false;

  constructor(options: LaneWindowOptions) {
    this.#options = options;
    this.#size = this.#bounded(options.min);
  }

  /** How long batches take at present, in ms; `undefined` if none was measured here. */
  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /**
   * Returns the maximum number of batches in flight at this monotonic time, in ms.
   *
   * @param newcomersLikely whether the window that the latency asks for holds below the usual minimum too.
   */
  sizeAt(now: number, newcomersLikely: boolean): number {
    const usual = newcomersLikely ? this.#size : Math.max(this.#size, this.#options.min);
    const probing = now < this.#probeEnd;
    const size = probing ? (usual / this.#options.tolerance) * PROBE_PART : usual;
    return Math.max(1, Math.round(size));
  }

  /**
   * Records how long batches took from their publication to their count, in ms.
   *
   * @param held whether the window kept batches from being published. Otherwise the window does not
   * grow.
   */
  observe(times: readonly number[], held: boolean, now: number): void {
    this.#hasHeld ||= held;
    if (times.length === 0) return;
    const taken = times.map((time) => Math.max(SHORTEST_MS, time));
    this.#shortest = Math.min(this.#shortest, ...taken);
    const latest = meanOf(taken);
    this.#latencyMs = this.#latencyMs === undefined ? latest : (this.#latencyMs + latest) / 2;
    this.#times.push(...taken);
    const atRest = this.#atRestAt(now);
    if (now < this.#probeEnd) return;
    const mean = meanOf(this.#times);
    if (now - this.#changedAt >= mean) this.#change((this.#options.tolerance * atRest) / mean, held, now);
    if (now - this.#probedAt >= this.#options.probeEveryMs) this.#renewRest(atRest, now);
  }

  /** Returns what was measured here since the last call or `adopt`; `undefined` if nothing was. */
  takeMeasured(): Measured | undefined {
    if (!this.#measured) return undefined;
    this.#measured = false;
    return { size: this.#size, restMs: Math.min(this.#before, this.#shortest) };
  }

  /** Continues from a later measurement of another instance. */
  adopt({ size, restMs }: Measured, now: number): void {
    this.#size = this.#bounded(size);
    this.#measured = false;
    this.#elsewhereMs = restMs;
    this.#elsewhereUntil = now + ELSEWHERE_PROBES * this.#options.probeEveryMs;
  }

  #atRestAt(now: number): number {
    const own = Math.min(this.#before, this.#shortest);
    return now < this.#elsewhereUntil ? Math.min(own, this.#elsewhereMs) : own;
  }

  #bounded(size: number): number {
    const { min, minForNewcomers = min, max } = this.#options;
    return Math.min(max, Math.max(Math.min(min, minForNewcomers), size));
  }

  #change(ratio: number, held: boolean, now: number): void {
    this.#times = [];
    this.#changedAt = now;
    if (ratio > 1 && !held) return;
    const factor = Math.min(GROW, Math.max(SHRINK, ratio));
    this.#size = this.#bounded(this.#size * factor);
    this.#measured = true;
  }

  /** Starts a new span for the latency on an idle lane, with a probe if the lane may have a queue. */
  #renewRest(atRest: number, now: number): void {
    this.#probedAt = now;
    this.#before = this.#shortest;
    this.#shortest = Number.POSITIVE_INFINITY;
    if (!this.#hasHeld) return;
    this.#hasHeld = false;
    this.#probeEnd = now + PROBE_LENGTH * atRest;
    this.#times = [];
    // The first times after the probe belong to the probe's own batches.
    this.#changedAt = this.#probeEnd;
  }
}

function meanOf(times: readonly number[]): number {
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}
