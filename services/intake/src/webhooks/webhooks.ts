import { RestError, type RestErrorCode } from '@bulk/contracts';
import { accountWebhookSecret, type CallbackPolicy } from '@bulk/webhooks';

/**
 * The webhooks as the API needs them: which callback URLs are accepted, and how they are signed.
 */
export class Webhooks {
  readonly #master: string | undefined;
  readonly #policy: CallbackPolicy;

  /** @param master WEBHOOK_SECRET; `undefined` if there are no webhooks. */
  constructor(master: string | undefined, policy: CallbackPolicy) {
    this.#master = master;
    this.#policy = policy;
  }

  /**
   * Refuses a callback URL that could never be delivered, instead of failing after the end of the
   * action.
   *
   * @param callbackUrl one that `callbackUrlSchema` accepts.
   * @throws RestError `WEBHOOKS_DISABLED` or `CALLBACK_URL_FORBIDDEN` that names the field.
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

  /** Returns the secret of an account. @throws RestError `WEBHOOKS_DISABLED`. */
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
