export interface LaneWindowOptions {
  /** Batches that may be in flight whatever the times are, but for a probe: also where it begins. */
  readonly min: number;
  readonly max: number;
  /** How many times as long as at rest a batch may take because of those in front of it; above 1. */
  readonly tolerance: number;
  /** How often the time at rest is measured anew, in ms. */
  readonly probeEveryMs: number;
}

/** Shorter times are taken for this: of nothing there is no ratio. */
const SHORTEST_MS = 1;
/** Bounds of a change, since a sample or two may be far off. */
const SHRINK = 0.7;
const GROW = 1.5;
/** How many times the time at rest a probe takes: what was in front of its own batches has to be gone first. */
const PROBE_LENGTH = 3;
/** Spans between probes for which the time at rest of another instance holds. */
const ELSEWHERE_PROBES = 2;
/** What is left of the window in a probe, of what would be in flight if nothing waited: less, in case it has grown too far. */
const PROBE_PART = 0.7;

/** What was found of a lane. */
export interface Measured {
  /** Batches that may be in flight. */
  readonly size: number;
  /** Time that a batch takes where none is in front of it, in ms. */
  readonly restMs: number;
}

/**
 * How many batches may be in flight in a lane, found from how long they take: as many as keep the handlers busy, and few
 * enough that a newcomer waits only so much longer than at rest.
 *
 * As TCP Vegas does it (Brakmo and Peterson, 1995), and Netflix' gradient limit for concurrency: the shortest time seen
 * is that of a batch which waits for nobody; what it takes longer is spent in a queue, and by that ratio the window is
 * changed, at most once in that time, since a change shows no earlier. So that a lasting queue does not come to pass for
 * the time at rest, the queue is let run dry for a moment every now and then (as in BBR's ProbeRTT, 2016).
 */
export class LaneWindow {
  readonly #options: LaneWindowOptions;
  #size: number;
  /** Shortest times of the last two spans between probes, in ms. */
  #before = Number.POSITIVE_INFINITY;
  #shortest = Number.POSITIVE_INFINITY;
  #probedAt = Number.NEGATIVE_INFINITY;
  #probeEnd = Number.NEGATIVE_INFINITY;
  /** Times since the last change. */
  #times: number[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;
  /** Shortest time that another instance has seen, in ms, and until when it holds. */
  #elsewhereMs = Number.POSITIVE_INFINITY;
  #elsewhereUntil = Number.NEGATIVE_INFINITY;
  /** Whether the size was measured here since it was last taken or adopted. */
  #measured = false;

  constructor(options: LaneWindowOptions) {
    this.#options = options;
    this.#size = options.min;
  }

  /** Batches that may be in flight at this monotonic time, in ms. */
  sizeAt(now: number): number {
    const probing = now < this.#probeEnd;
    const size = probing ? (this.#size / this.#options.tolerance) * PROBE_PART : this.#size;
    return Math.max(1, Math.round(size));
  }

  /**
   * Takes note of how long batches took from their publishing until they were counted, in ms.
   *
   * @param held whether there was more to publish than the window let: without that it does not grow.
   */
  observe(times: readonly number[], held: boolean, now: number): void {
    if (times.length === 0) return;
    const taken = times.map((time) => Math.max(SHORTEST_MS, time));
    this.#shortest = Math.min(this.#shortest, ...taken);
    this.#times.push(...taken);
    const atRest = this.#atRestAt(now);
    if (now < this.#probeEnd) return;
    const mean = this.#times.reduce((sum, time) => sum + time, 0) / this.#times.length;
    if (now - this.#changedAt >= mean) this.#change((this.#options.tolerance * atRest) / mean, held, now);
    if (now - this.#probedAt >= this.#options.probeEveryMs) this.#probe(atRest, now);
  }

  /** What was measured here since the last call or `adopt`; undefined where nothing was. */
  takeMeasured(): Measured | undefined {
    if (!this.#measured) return undefined;
    this.#measured = false;
    return { size: this.#size, restMs: Math.min(this.#before, this.#shortest) };
  }

  /** Goes on from what another instance has measured later. */
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
    return Math.min(this.#options.max, Math.max(this.#options.min, size));
  }

  #change(ratio: number, held: boolean, now: number): void {
    this.#times = [];
    this.#changedAt = now;
    if (ratio > 1 && !held) return;
    const factor = Math.min(GROW, Math.max(SHRINK, ratio));
    this.#size = this.#bounded(this.#size * factor);
    this.#measured = true;
  }

  #probe(atRest: number, now: number): void {
    this.#probedAt = now;
    this.#probeEnd = now + PROBE_LENGTH * atRest;
    this.#before = this.#shortest;
    this.#shortest = Number.POSITIVE_INFINITY;
    this.#times = [];
    // The first times after the probe are those of its own batches.
    this.#changedAt = this.#probeEnd;
  }
}
