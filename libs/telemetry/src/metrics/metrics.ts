import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** One instrument, as it is declared and as docs/reference/metrics.md tells it. */
export interface InstrumentDefinition<L extends string = string> {
  /** `bulk_…`, in base units, as Prometheus' conventions have it. */
  readonly name: string;
  readonly help: string;
  /** Each takes few values, known beforehand: never an id of an action, an entity or an account. */
  readonly labels?: readonly L[];
}

export interface HistogramDefinition<L extends string = string> extends InstrumentDefinition<L> {
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** One value of a gauge that is read when it is asked for. */
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
  /** Label `service` of everything. */
  readonly service: string;
  /** Which build this is; labels of `bulk_build_info`. */
  readonly build: { readonly version: string; readonly revision: string };
}

/** A gauge that takes longer to read, in ms, is left out: a dependency that is away must not hold /metrics up. */
const READ_TIMEOUT_MS = 1_000;

/** Durations of work that takes from a millisecond to half a minute, in seconds. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/**
 * The instruments of one service, in a registry of their own: several services live in one process in tests. Holds what
 * every service has: the process (CPU, memory, event loop, garbage collection) and its build.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #described: DescribedInstrument[] = [];

  constructor({ service, build }: MetricsOptions) {
    this.#registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.#registry });
    this.gauge({
      name: 'bulk_build_info',
      help: 'Always 1; its labels tell which build runs.',
      labels: ['version', 'revision', 'node'],
    }).set({ ...build, node: process.version }, 1);
  }

  /** Content type of `expose`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. Never rejects for a single gauge that cannot be read: it is left out. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** What is declared, in the order of declaration; without what prom-client declares for the process. */
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
   * A gauge whose values are read when it is asked for; what is not there any more disappears.
   *
   * @param read may reject, or be late: then there is no value, since an old one would look like a true one.
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
        // Read before the reset: in between, another scrape would find nothing.
        const samples = await inTime(read).catch(() => []);
        this.reset();
        // prom-client gives a gauge without labels the value 0 at once, which nobody has read.
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
