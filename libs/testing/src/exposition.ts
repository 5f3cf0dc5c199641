/** One value of an exposition. */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[-+0-9.eE]+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/gy;

/** The metrics of a service at `/metrics`, line by line. */
export class Exposition {
  readonly text: string;
  readonly samples: readonly ExposedSample[];
  /** Name → type, as declared. */
  readonly types: ReadonlyMap<string, string>;

  private constructor(text: string) {
    const lines = text.split('\n').filter((line) => line !== '');
    this.text = text;
    this.types = new Map(
      lines.flatMap((line) => {
        const declared = /^# TYPE (\S+) (\S+)$/.exec(line);
        return declared === null ? [] : [[declared[1] ?? '', declared[2] ?? '']];
      }),
    );
    this.samples = lines.filter((line) => !line.startsWith('#')).map(sampleOf);
  }

  /**
   * Reads the metrics of a service on this machine.
   *
   * @throws Error if it does not answer 200 in Prometheus' text format, or a line is not in that format.
   */
  static async scrape(adminPort: number): Promise<Exposition> {
    const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
    const type = response.headers.get('content-type') ?? '';
    const text = await response.text();
    if (response.status !== 200 || !type.startsWith('text/plain; version=0.0.4')) {
      throw new Error(`expected metrics, found ${response.status} ${type}: ${text.slice(0, 200)}`);
    }
    return Exposition.of(text);
  }

  /**
   * Parses an exposition.
   *
   * @throws Error if a line is not in Prometheus' text format.
   */
  static of(text: string): Exposition {
    return new Exposition(text);
  }

  /** Returns the values of a metric that have these labels, among others. */
  values(name: string, labels: Readonly<Record<string, string>> = {}): number[] {
    return this.samples
      .filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )
      .map(({ value }) => value);
  }

  /** Returns the sum of these values; 0 if there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.values(name, labels).reduce((sum, value) => sum + value, 0);
  }

  /** Returns the values of labels that contain one of the texts. */
  labelsWith(texts: readonly string[]): string[] {
    const values = new Set(this.samples.flatMap(({ labels }) => Object.values(labels)));
    return [...values].filter((value) => texts.some((text) => value.includes(text)));
  }
}

function sampleOf(line: string): ExposedSample {
  const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a line of Prometheus' text format: ${line}`);
  const pairs = [...labels.matchAll(LABEL)];
  if (pairs.map(([pair]) => pair).join('') !== labels) throw new Error(`labels cannot be read: ${line}`);
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label, text]) => [label ?? '', text ?? ''])),
    value: value.endsWith('Inf') ? Number(`${value}inity`) : Number(value),
  };
}
