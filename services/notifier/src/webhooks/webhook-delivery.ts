import { backoffDelay, LeaseTerm } from '@bulk/domain';
import { accountWebhookSecret, delay, WorkerLoop, type Logger } from '@bulk/runtime';
import type { ClaimedWebhook, Settlement } from './claimed-webhook.ts';
import { settlementOf, type RetryRules } from './retry.ts';
import { signWebhook, toWebhookEvent, webhookId } from './signed-webhook.ts';
import type { WebhookRecorder } from './webhook-recorder.ts';
import type { WebhookSender } from './webhook-sender.ts';
import type { WebhookStore } from './webhook-store.ts';

export interface WebhookDeliveryOptions {
  readonly store: WebhookStore;
  readonly sender: WebhookSender;
  /** WEBHOOK_SECRET. */
  readonly masterSecret: string;
  /** Name of this instance, different from that of any other that ever ran. */
  readonly instanceId: string;
  /** Longest time between two looks for what is due, in ms. */
  readonly pollMs: number;
  /** Webhooks side by side, at most. */
  readonly concurrency: number;
  /** Of these, those of one account, at most. */
  readonly accountConcurrency: number;
  readonly retry: RetryRules;
  /** How long a claim holds, and how much of it one try takes at most, in ms. */
  readonly leaseMs: number;
  readonly timeoutMs: number;
  /** How long a stop waits before it breaks off what is under way, in ms. */
  readonly stopMs: number;
  /** Aborts when the service is told to stop: nothing is claimed from then on. */
  readonly signal: AbortSignal;
  readonly monotonic: () => number;
  readonly now: () => Date;
  readonly recorder: WebhookRecorder;
  readonly log: Logger;
}

const RECORD_BACKOFF = { initialDelayMs: 100, maxDelayMs: 2_000 };

/**
 * Delivers the webhooks of actions that have ended, at least once each. A claim is a lease on the action's document, so
 * that of many instances one delivers; a process that dies leaves it to run out, and another repeats the same webhook.
 *
 * Looks when woken and every `pollMs`: claims while there is room, each claim is tried beside the others, and its outcome
 * recorded, fenced by the claim. Stopping: claims no more, waits for what is under way, breaks off the rest and hands it
 * back.
 */
export class WebhookDelivery {
  readonly #options: WebhookDeliveryOptions;
  readonly #loop: WorkerLoop;
  /** Breaks off what is under way. */
  readonly #cut = new AbortController();
  /** What is under way → its account. */
  readonly #active = new Map<Promise<void>, string>();
  #claims = 0;

  constructor(options: WebhookDeliveryOptions) {
    this.#options = options;
    this.#loop = new WorkerLoop({ round: () => this.#round() });
  }

  start(): void {
    this.#options.signal.addEventListener('abort', () => void this.#loop.stop(), { once: true });
    this.#loop.start();
  }

  /** Something may be due. Returns at once. */
  wake(): void {
    this.#loop.wake();
  }

  /** Finishes what is under way, or breaks it off after `stopMs` and hands it back. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    const timer = setTimeout(() => this.#cut.abort(), this.#options.stopMs);
    await Promise.all(this.#active.keys());
    clearTimeout(timer);
  }

  async #round(): Promise<number> {
    await this.#claimDue();
    return this.#options.pollMs;
  }

  async #claimDue(): Promise<void> {
    const { store, instanceId, concurrency, leaseMs, monotonic, log } = this.#options;
    try {
      while (this.#active.size < concurrency && !this.#loop.stopping) {
        const owner = `${instanceId}/${(this.#claims += 1)}`;
        const term = new LeaseTerm(leaseMs, monotonic());
        const claimed = await store.claim(owner, this.#busyAccounts());
        if (claimed === undefined) return;
        this.#begin(claimed, term);
      }
    } catch (error) {
      log.warn({ err: error }, 'cannot look for webhooks to deliver now');
    }
  }

  #begin(claimed: ClaimedWebhook, term: LeaseTerm): void {
    const { log } = this.#options;
    const running = this.#deliver(claimed, term)
      .catch((error: unknown) => log.error({ actionId: claimed.action._id, err: error }, 'a webhook fails'))
      .finally(() => {
        this.#active.delete(running);
        // There is room for another now.
        this.wake();
      });
    this.#active.set(running, claimed.action.accountId);
  }

  async #deliver(claimed: ClaimedWebhook, term: LeaseTerm): Promise<void> {
    const { sender, masterSecret, retry, timeoutMs, monotonic, now, recorder, log } = this.#options;
    const { action, callback } = claimed;
    const body = JSON.stringify(toWebhookEvent(action));
    const secret = accountWebhookSecret(masterSecret, action.accountId);
    // A process that stalled since its claim leaves the webhook to its new owner.
    if (!term.lasts(timeoutMs, monotonic())) return;
    const webhook = signWebhook(webhookId(action._id), body, secret, now());
    const sentAt = monotonic();
    const result = await sender.send(callback.url, webhook, this.#cut.signal);
    const settlement = settlementOf(result, callback.attempts, retry, now());
    recorder.tried(settlement.kind, (monotonic() - sentAt) / 1_000);
    await this.#settle(claimed, settlement, term);
    log.debug({ actionId: action._id, attempt: callback.attempts, settlement }, 'a webhook was tried');
  }

  /** Records an outcome, as long as the lease lasts: what is not recorded is sent again. */
  async #settle(claimed: ClaimedWebhook, settlement: Settlement, term: LeaseTerm): Promise<void> {
    const { store, monotonic, log } = this.#options;
    const actionId = claimed.action._id;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const held = await store.settle(claimed, settlement);
        if (!held) log.warn({ actionId }, 'another instance has repeated a webhook that took too long here');
        return;
      } catch (error) {
        if (this.#cut.signal.aborted || !term.lasts(0, monotonic())) {
          log.warn(
            { actionId, err: error },
            'the outcome of a webhook could not be recorded: it is repeated',
          );
          return;
        }
      }
      await delay(backoffDelay(attempt, RECORD_BACKOFF), this.#cut.signal);
    }
  }

  #busyAccounts(): string[] {
    const running = new Map<string, number>();
    for (const account of this.#active.values()) running.set(account, (running.get(account) ?? 0) + 1);
    return [...running]
      .filter(([, count]) => count >= this.#options.accountConcurrency)
      .map(([account]) => account);
  }
}
