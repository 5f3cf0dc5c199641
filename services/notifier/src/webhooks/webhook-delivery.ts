import { backoffDelay, LeaseTerm } from '@bulk/domain';
import { delay, WorkerLoop, type Logger } from '@bulk/runtime';
import { accountWebhookSecret } from '@bulk/webhooks';
import type { ClaimedWebhook, Settlement } from './claimed-webhook.ts';
import { settlementOf, type RetryRules } from './retry.ts';
import { signWebhook, toWebhookEvent, webhookId } from './signed-webhook.ts';
import type { WebhookRecorder } from './webhook-recorder.ts';
import type { WebhookSender } from './webhook-sender.ts';
import type { WebhookStore } from './webhook-store.ts';

export interface WebhookDeliveryOptions {
  readonly store: WebhookStore;
  readonly sender: WebhookSender;
  /** WEBHOOK_SECRET and, during a rotation, the previous one. */
  readonly masterSecrets: readonly string[];
  /** Name of this instance. No other instance has ever had the same name. */
  readonly instanceId: string;
  /** Maximum time between two looks for due webhooks, in ms. */
  readonly pollMs: number;
  /** Maximum number of webhooks under way. */
  readonly concurrency: number;
  /** Maximum number of webhooks of one account under way. */
  readonly accountConcurrency: number;
  readonly retry: RetryRules;
  /** How long a claim is valid, and the maximum part of it that one try takes, in ms. */
  readonly leaseMs: number;
  readonly timeoutMs: number;
  /** How long a stop waits before it breaks off the webhooks under way, in ms. */
  readonly stopMs: number;
  /** Aborts when the service must stop. From then on nothing is claimed. */
  readonly signal: AbortSignal;
  readonly monotonic: () => number;
  readonly now: () => Date;
  readonly recorder: WebhookRecorder;
  readonly log: Logger;
}

const RECORD_BACKOFF = { initialDelayMs: 100, maxDelayMs: 2_000 };

/**
 * Delivers the webhooks of ended actions, at least once each.
 *
 * A claim is a lease on the action's document, so that one of many instances delivers the webhook.
 * When a process dies, its lease expires and another instance repeats the same webhook.
 *
 * The worker looks for due webhooks when woken and every `pollMs`. It claims webhooks while there
 * is room, tries them concurrently, and records each outcome, fenced by the claim. On a stop it
 * claims no more, waits for those under way, breaks off the rest and hands them back.
 */
export class WebhookDelivery {
  readonly #options: WebhookDeliveryOptions;
  readonly #loop: WorkerLoop;
  /** Breaks off the webhooks under way. */
  readonly #cut = new AbortController();
  /** Delivery under way → its account. */
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

  /** Signals that a webhook may be due. Returns at once. */
  wake(): void {
    this.#loop.wake();
  }

  /** Finishes the webhooks under way, or breaks them off after `stopMs` and hands them back. */
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
      log.warn({ err: error }, 'Search for due webhooks failed; retrying later');
    }
  }

  #begin(claimed: ClaimedWebhook, term: LeaseTerm): void {
    const { log } = this.#options;
    const running = this.#deliver(claimed, term)
      .catch((error: unknown) =>
        log.error({ actionId: claimed.action._id, err: error }, 'Webhook delivery failed'),
      )
      .finally(() => {
        this.#active.delete(running);
        // There is room for another webhook now.
        this.wake();
      });
    this.#active.set(running, claimed.action.accountId);
  }

  async #deliver(claimed: ClaimedWebhook, term: LeaseTerm): Promise<void> {
    const { sender, masterSecrets, retry, timeoutMs, monotonic, now, recorder, log } = this.#options;
    const { action, callback } = claimed;
    const body = JSON.stringify(toWebhookEvent(action));
    const secrets = masterSecrets.map((master) => accountWebhookSecret(master, action.accountId));
    // A process that stalled since its claim leaves the webhook to the new owner.
    if (!term.lasts(timeoutMs, monotonic())) return;
    const webhook = signWebhook(webhookId(action._id), body, secrets, now());
    const sentAt = monotonic();
    const result = await sender.send(callback.url, webhook, this.#cut.signal);
    const settlement = settlementOf(result, callback.attempts, retry, now());
    recorder.tried(settlement.kind, (monotonic() - sentAt) / 1_000);
    await this.#settle(claimed, settlement, term);
    log.debug({ actionId: action._id, attempt: callback.attempts, settlement }, 'Webhook tried');
  }

  /** Records an outcome while the lease lasts. An unrecorded webhook is sent again. */
  async #settle(claimed: ClaimedWebhook, settlement: Settlement, term: LeaseTerm): Promise<void> {
    const { store, monotonic, log } = this.#options;
    const actionId = claimed.action._id;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const held = await store.settle(claimed, settlement);
        if (!held) log.warn({ actionId }, 'Webhook took too long; another instance has repeated it');
        return;
      } catch (error) {
        if (this.#cut.signal.aborted || !term.lasts(0, monotonic())) {
          log.warn({ actionId, err: error }, 'Outcome of a webhook not recorded; the webhook is repeated');
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
