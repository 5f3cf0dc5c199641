import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const LABEL_WIDTH = 10;

/**
 * Prints a few calm lines: one per step. On a terminal a line is rewritten while its step
 * continues.
 */
export class Screen {
  readonly #out: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  get live(): boolean {
    return this.#out.isTTY;
  }

  styled(style: Style, text: string): string {
    return this.live && !process.env['NO_COLOR'] ? styleText(style, text) : text;
  }

  line(text = ''): void {
    this.#out.write(`${text}\n`);
  }

  /** Prints lines, such as those of a table, indented like labels. */
  lines(lines: readonly string[]): void {
    for (const line of lines) this.line(`  ${line}`);
  }

  /**
   * Prints a line with a label in front. Without a label the line is indented as if there were one.
   */
  labelled(label: string, text: string): void {
    this.line(`  ${this.styled('bold', label.padEnd(LABEL_WIDTH))} ${text}`);
  }

  /**
   * Runs a step and shows its result with its duration.
   *
   * `note` shows the current state of the step: rewritten in place on a terminal, one line each
   * elsewhere.
   */
  async step<T>(
    label: string,
    work: (note: (text: string) => void) => Promise<T>,
    result: (value: T) => string,
  ): Promise<T> {
    const startedAt = performance.now();
    this.#pending(label, '…');
    try {
      const value = await work((text) =>
        this.live ? this.#pending(label, text) : this.labelled(label, text),
      );
      const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
      this.#clear();
      this.labelled(label, `${result(value)} ${this.styled('dim', `(${seconds})`)}`);
      return value;
    } catch (error) {
      this.#clear();
      this.labelled(label, this.styled('red', 'failed'));
      throw error;
    }
  }

  #pending(label: string, text: string): void {
    if (!this.live) return;
    const room = Math.max(20, this.#out.columns - LABEL_WIDTH - 4);
    const shown = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    this.#clear();
    this.#out.write(`  ${this.styled('dim', `${label.padEnd(LABEL_WIDTH)} ${shown}`)}`);
  }

  #clear(): void {
    if (this.live) this.#out.write('\r\u001B[2K');
  }
}

/** Formats 12345 as 12,345. */
export function thousands(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}
