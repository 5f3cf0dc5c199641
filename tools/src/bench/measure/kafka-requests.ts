import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { CommandContext } from '../../console/command.ts';
import { sumOf } from './counts.ts';

const countsSchema = z.array(z.tuple([z.string(), z.number()]));

/** Reads the counts of request-counter.ts from the processes that loaded it. */
export class KafkaRequests {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Creates the folder of the sockets. It is in the system's folder because paths of sockets are short. */
  static create({ releasers }: CommandContext): KafkaRequests {
    const folder = mkdtempSync(join(tmpdir(), 'bulk-bench-'));
    releasers.push('counters', () => rmSync(folder, { recursive: true, force: true }));
    return new KafkaRequests(folder);
  }

  /** Variables that a counted process needs. */
  get env(): Record<string, string> {
    return { BENCH_COUNTER_FOLDER: this.#folder };
  }

  /** Returns the requests that these processes have sent so far, by type. */
  async read(pids: Iterable<number>): Promise<Map<string, number>> {
    const all = await Promise.all([...pids].map((pid) => this.#readOne(pid)));
    return sumOf(all);
  }

  async #readOne(pid: number): Promise<Map<string, number>> {
    const socket = createConnection(join(this.#folder, `${pid}.sock`));
    return new Map(countsSchema.parse(JSON.parse(await text(socket))));
  }
}
