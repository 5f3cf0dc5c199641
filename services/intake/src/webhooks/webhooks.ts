import { RestError, type RestErrorCode } from '@bulk/contracts';
import { accountWebhookSecret, type CallbackPolicy } from '@bulk/runtime';

/** What of webhooks concerns the API: which callback URLs are taken, and what they are signed with. */
export class Webhooks {
  readonly #master: string | undefined;
  readonly #policy: CallbackPolicy;

  /** @param master WEBHOOK_SECRET; undefined: there are no webhooks here. */
  constructor(master: string | undefined, policy: CallbackPolicy) {
    this.#master = master;
    this.#policy = policy;
  }

  /**
   * Refuses what could never be delivered, instead of failing when the action has ended and nobody looks.
   *
   * @param callbackUrl one that `callbackUrlSchema` takes.
   * @throws RestError `WEBHOOKS_DISABLED` or `CALLBACK_URL_FORBIDDEN`, naming the field.
   */
  checkCallback(callbackUrl: string): void {
    if (this.#master === undefined) {
      const message = 'expected none: this installation has no webhooks';
      throw refusedCallback('WEBHOOKS_DISABLED', 'webhooks are not configured', message);
    }
    const message = this.#policy.refusalOf(new URL(callbackUrl));
    if (message === undefined) return;
    throw refusedCallback('CALLBACK_URL_FORBIDDEN', 'the callback URL is not one to call', message);
  }

  /** The secret of an account. @throws RestError `WEBHOOKS_DISABLED`. */
  secretOf(accountId: string): string {
    if (this.#master === undefined) {
      throw new RestError('WEBHOOKS_DISABLED', 'webhooks are not configured');
    }
    return accountWebhookSecret(this.#master, accountId);
  }
}

function refusedCallback(code: RestErrorCode, message: string, expected: string): RestError {
  return new RestError(code, message, {
    status: 422,
    issues: [{ field: 'callbackUrl', message: expected }],
  });
}
