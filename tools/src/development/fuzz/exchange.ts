import { connect, type Socket } from 'node:net';
import { delay, settledWithin } from '@bulk/runtime';
import type { FuzzCase } from './fuzz-case.ts';
import { isComplete, readAnswers } from './http-answer.ts';
import type { Exchange } from './judge.ts';

/** Time without a byte after which a complete answer counts as the last one, in ms. */
const QUIET_MS = 30;
/**
 * Longest wait for an answer to a complete request, for the end of a connection, and for anything
 * else, in ms.
 */
const PATIENCE_MS = { whole: 20_000, wait: 10_000, other: 300 };
/** Longest wait for the answer to one step, in ms. */
const STEP_MS = 2_000;
/** Maximum number of received bytes that a client keeps. */
const MAX_RECEIVED = 16 * 1_048_576;

/** Runs a case on a connection of its own, and closes the connection afterwards in any case. */
export async function exchange(fuzzed: FuzzCase, port: number, signal: AbortSignal): Promise<Exchange> {
  const client = new RawClient(port);
  try {
    await client.send(fuzzed, signal);
    const answered = await client.finish(fuzzed, signal);
    return { received: client.received, endedByServer: client.isEnded, gaveUp: !answered };
  } finally {
    client.close();
  }
}

/** One connection, whose bytes are sent as they are. */
class RawClient {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #isEnded = false;
  #lastAt = performance.now();
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#socket.on('data', (chunk) => {
      this.#lastAt = performance.now();
      this.#size += chunk.length;
      if (this.#size <= MAX_RECEIVED) this.#chunks.push(chunk);
      this.#wake();
    });
    const end = (): void => {
      this.#isEnded = true;
      this.#wake();
    };
    this.#socket.on('end', end).on('error', end).on('close', end);
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  async send({ steps }: FuzzCase, signal: AbortSignal): Promise<void> {
    for (const { bytes, pauseMs = 0, awaitsAnswer = false } of steps) {
      if (this.#isEnded) return;
      this.#socket.write(bytes);
      if (pauseMs > 0) await delay(pauseMs, signal);
      if (awaitsAnswer) await this.#until(() => this.#size > 0, STEP_MS);
    }
  }

  /**
   * @returns whether a complete answer arrived, or the server ended the connection, before the
   * client's patience was over.
   */
  async finish({ ending, isWhole }: FuzzCase, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (ending === 'reset') {
      // A connection that is not open yet cannot be reset.
      await this.#until(() => !this.#socket.connecting, STEP_MS);
      this.#socket.resetAndDestroy();
      return true;
    }
    if (ending === 'close') {
      await this.#until(() => !this.#socket.connecting && this.#socket.writableLength === 0, QUIET_MS);
      return true;
    }
    if (ending === 'half-close') this.#socket.end();
    const patience = ending === 'wait' ? 'wait' : isWhole ? 'whole' : 'other';
    const deadline = performance.now() + PATIENCE_MS[patience];
    while (!this.#isEnded && performance.now() < deadline) {
      await this.#nextChange(QUIET_MS);
      if (ending === 'wait') continue;
      const isQuiet = performance.now() - this.#lastAt >= QUIET_MS;
      if (isQuiet && this.#size > 0 && isComplete(readAnswers(this.received))) return true;
    }
    return this.#isEnded;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(isTrue: () => boolean, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!isTrue() && !this.#isEnded && performance.now() < deadline) await this.#nextChange(QUIET_MS);
  }

  async #nextChange(limitMs: number): Promise<void> {
    const change = new Promise<void>((resolve) => (this.#wake = resolve));
    await settledWithin(limitMs, change);
  }
}
