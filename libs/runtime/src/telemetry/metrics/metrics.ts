import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The declaration of an instrument, which docs/reference/metrics.md shows. */
export interface InstrumentDefinition<L extends string = string> {
  /** `bulk_…`, in base units, by Prometheus' conventions. */
  readonly name: string;
  readonly help: string;
  /** The labels. Each has few values, known in advance: never an id of an action, an entity or an account. */
  readonly labels?: readonly L[];
}

export interface HistogramDefinition<L extends string = string> extends InstrumentDefinition<L> {
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** One value of a gauge that is read at each scrape. */
export interface Sample<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

/** A declared instrument. */
export interface DescribedInstrument {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

export interface MetricsOptions {
  /** Value of the label `service` of every metric. */
  readonly service: string;
  /**
   * Value of the label `installation` of every metric, so that rules distinguish installations of one Prometheus.
   */
  readonly installation: string;
  /** The running build, as labels of `bulk_build_info`. */
  readonly build: { readonly version: string; readonly revision: string };
}

/**
 * Maximum time to read a gauge, in ms. A slower gauge is omitted, so that an unavailable dependency does not delay
 * /metrics.
 */
const READ_TIMEOUT_MS = 1_000;

/** Buckets for durations from a millisecond to half a minute, in seconds. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/**
 * The instruments of one service, in a registry of their own, because tests run several services in one process. It
 * includes the metrics of every service: the process (CPU, memory, event loop, garbage collection) and its build.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #described: DescribedInstrument[] = [];

  constructor({ service, installation, build }: MetricsOptions) {
    this.#registry.setDefaultLabels({ service, installation });
    collectDefaultMetrics({ register: this.#registry });
    this.gauge({
      name: 'bulk_build_info',
      help: 'Always 1. Its labels identify the running build.',
      labels: ['version', 'revision', 'node'],
    }).set({ ...build, node: process.version }, 1);
  }

  /** Content type of `expose`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * Returns all metrics in Prometheus' text format. A gauge that cannot be read is omitted and does not cause a
   * rejection.
   */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The declared instruments, in the order of declaration, without those that prom-client declares for the process. */
  get described(): readonly DescribedInstrument[] {
    return this.#described;
  }

  counter<L extends string = never>(definition: InstrumentDefinition<L>): Counter<L> {
    this.#describe('counter', definition);
    return new Counter({ ...this.#common(definition) });
  }

  gauge<L extends string = never>(definition: InstrumentDefinition<L>): Gauge<L> {
    this.#describe('gauge', definition);
    return new Gauge({ ...this.#common(definition) });
  }

  histogram<L extends string = never>({ buckets, ...definition }: HistogramDefinition<L>): Histogram<L> {
    this.#describe('histogram', definition);
    return new Histogram({ ...this.#common(definition), buckets: [...buckets] });
  }

  /**
   * Declares a gauge whose values are read at each scrape. Values that no longer exist disappear.
   *
   * @param read may reject, or be late. Then there is no value, since an old one would look like a current one.
   */
  sampled<L extends string = never>(
    definition: InstrumentDefinition<L>,
    read: () => readonly Sample<L>[] | Promise<readonly Sample<L>[]>,
  ): void {
    this.#describe('gauge', definition);
    const bare = definition.labels === undefined;
    new Gauge({
      ...this.#common(definition),
      async collect() {
        // It reads before the reset: in between, another scrape would find nothing.
        const samples = await inTime(read).catch(() => []);
        this.reset();
        // prom-client gives a gauge without labels the value 0 at once, which was never read.
        if (bare && samples.length === 0) this.remove();
        for (const { labels, value } of samples) this.set(labels, value);
      },
    });
  }

  #describe(type: DescribedInstrument['type'], { name, help, labels = [] }: InstrumentDefinition): void {
    this.#described.push({ name, type, help, labels });
  }

  #common<L extends string>({
    name,
    help,
    labels = [],
  }: InstrumentDefinition<L>): {
    name: string;
    help: string;
    labelNames: L[];
    registers: Registry[];
  } {
    return { name, help, labelNames: [...labels], registers: [this.#registry] };
  }
}

async function inTime<T>(read: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not read within ${READ_TIMEOUT_MS} ms`)), READ_TIMEOUT_MS);
  });
  try {
    return await Promise.race([read(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
