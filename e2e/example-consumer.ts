import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { tiedToUs, workspaceRoot } from '@bulk/local-stack';
import { eventually } from '@bulk/testing';
import { z } from 'zod';

/** How a program is started. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

const outcomeSchema = z.strictObject({
  position: z.int(),
  entityId: z.string(),
  ref: z.string().nullable(),
  status: z.enum(['success', 'failure', 'skipped']),
  code: z.string().nullable(),
  message: z.string().nullable(),
});
const lineSchema = outcomeSchema.extend({
  kind: z.enum(['outcome', 'replacement']),
  actionId: z.string(),
  generation: z.int(),
});
const repetitionSchema = z.object({ repeated: z.string(), generation: z.int() });

/** An outcome as a consumer shows it. */
export type ShownOutcome = z.infer<typeof outcomeSchema>;
/** A line of its standard output. */
export type Line = z.infer<typeof lineSchema>;

/** Returns the newest outcome of each position, in order. */
export function viewOf(lines: readonly Line[]): ShownOutcome[] {
  const newest = new Map<number, ShownOutcome>();
  for (const line of lines) {
    const { position, entityId, ref, status, code, message } = line;
    newest.set(position, { position, entityId, ref, status, code, message });
  }
  return [...newest.values()].sort((a, b) => a.position - b.position);
}

/** A run of an example consumer, with what it has printed so far. */
export class ExampleConsumer {
  /** Every line of standard output. An unknown line fails the test that reads it. */
  readonly lines: Line[] = [];
  /** Result ids that the consumer has recognised as repeated, in order. */
  readonly repetitions: string[] = [];
  /** Every other message of the consumer. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, output: Readable, errors: Readable) {
    this.#child = child;
    createInterface({ input: output }).on('line', (text) => {
      const line = lineSchema.safeParse(parsed(text));
      if (line.success) this.lines.push(line.data);
      else this.complaints.push(text);
    });
    createInterface({ input: errors }).on('line', (text) => {
      const repetition = repetitionSchema.safeParse(parsed(text));
      if (repetition.success) this.repetitions.push(repetition.data.repeated);
      else this.complaints.push(text);
    });
  }

  /** @param env everything that the program is given, in addition to PATH. */
  static start(program: Program, env: Readonly<Record<string, string | undefined>>): ExampleConsumer {
    const whole = { PATH: process.env['PATH'], ...env };
    const [command, args] = tiedToUs(program.command, program.args, whole);
    const child = spawn(command, args, { cwd: workspaceRoot, env: whole, stdio: ['ignore', 'pipe', 'pipe'] });
    return new ExampleConsumer(child, child.stdout, child.stderr);
  }

  linesOf(actionId: string): Line[] {
    return this.lines.filter((line) => line.actionId === actionId);
  }

  /** Returns the results of an action that were recognised as repeated. */
  repetitionsOf(actionId: string): Set<string> {
    return new Set(this.repetitions.filter((id) => id.startsWith(`${actionId}:`)));
  }

  /** Stops the program as its operator would: by SIGTERM. All its output is read. */
  async stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.#child.kill('SIGTERM');
    await eventually('the consumer ends', () => this.#ended, { timeoutMs: 20_000 });
    return { code: this.#child.exitCode, signal: this.#child.signalCode };
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await eventually('the consumer is gone', () => this.#ended);
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
