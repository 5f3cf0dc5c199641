import { setTimeout as sleep } from 'node:timers/promises';
import { BARE } from './load-balancer.ts';

/** The requests that are sent: small actions and lists. */
export const KINDS = ['POST', 'GET'] as const;

/** An answer that a client got. */
export interface Answer {
  readonly kind: (typeof KINDS)[number];
  /** 0 if there was no answer. */
  readonly status: number;
  /** The code in the error envelope; `bare` for an answer of the load balancer itself; why there was no answer. */
  readonly code: string | undefined;
  readonly retryAfter: string | null;
  /** The action that a POST has created. */
  readonly actionId: string | undefined;
  /** The phase in which the request was sent and answered; `undefined` if it changed in between. */
  readonly phase: string | undefined;
}

/** Returns whether an intake has done what was asked. */
export function isSuccess({ kind, status }: Answer): boolean {
  return status === (kind === 'POST' ? 202 : 200);
}

interface Envelope {
  readonly data?: { readonly actionId?: string };
  readonly error?: { readonly code: string };
}

/** Time between two requests of a client, in ms. */
const PAUSE_MS = 200;

/** Clients that send small actions and read lists, without a break, and keep every answer. */
export class Traffic {
  readonly answers: Answer[] = [];
  readonly #stopping = new AbortController();
  readonly #clients: Promise<unknown>;
  readonly #url: string;
  readonly #accountId: string;
  #phase = 'before';
  #sent = 0;

  constructor(url: string, accountId: string, clients: number) {
    this.#url = `${url}/bulk-actions`;
    this.#accountId = accountId;
    this.#clients = Promise.all(
      KINDS.flatMap((kind) => Array.from({ length: clients }, () => this.#repeat(kind))),
    );
  }

  /** Names the phase of the requests from now on. */
  enter(phase: string): void {
    this.#phase = phase;
  }

  /**
   * Returns the answers to requests that were sent and answered in a phase.
   *
   * @param kind by default every kind.
   */
  in(phase: string, kind?: Answer['kind']): Answer[] {
    return this.answers.filter(
      (answer) => answer.phase === phase && (kind === undefined || answer.kind === kind),
    );
  }

  /** Resolves when the last request is answered. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#clients;
  }

  async #repeat(kind: Answer['kind']): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const phase = this.#phase;
      try {
        await this.#ask(kind, phase);
      } catch (error) {
        const reason = error instanceof Error ? (error.cause ?? error) : error;
        this.#keep(phase, { kind, status: 0, code: String(reason), retryAfter: null, actionId: undefined });
      }
      await sleep(PAUSE_MS);
    }
  }

  async #ask(kind: Answer['kind'], phase: string): Promise<void> {
    const headers = { 'x-account-id': this.#accountId, 'content-type': 'application/json' };
    this.#sent += 1;
    const body = { actionType: 'update', entities: [{ id: `traffic-${this.#sent}`, lastName: 'Behind' }] };
    const response = await fetch(this.#url, {
      method: kind,
      headers,
      ...(kind === 'POST' ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    const isBare = response.headers.has(BARE);
    const envelope = isBare ? {} : (JSON.parse(text) as Envelope);
    this.#keep(phase, {
      kind,
      status: response.status,
      code: isBare ? 'bare' : envelope.error?.code,
      retryAfter: response.headers.get('retry-after'),
      actionId: envelope.data?.actionId,
    });
  }

  #keep(phase: string, answer: Omit<Answer, 'phase'>): void {
    this.answers.push({ ...answer, phase: phase === this.#phase ? phase : undefined });
  }
}
