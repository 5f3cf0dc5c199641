import { createHmac } from 'node:crypto';
import { toActionUpdate, WEBHOOK_HEADERS, type WebhookEvent } from '@bulk/contracts';
import { CodedError, isAccepted, isFinal, type FinalStatus } from '@bulk/domain';
import { progressStateOf } from '@bulk/mongo';
import { WEBHOOK_SECRET_PREFIX } from '@bulk/webhooks';
import type { EndedAction } from './claimed-webhook.ts';

/** A request as it is sent. */
export interface SignedWebhook {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Builds the event of an action's end. It is the same on each repetition, because it holds only the
 * action's own times.
 *
 * @throws CodedError `ACTION_NOT_FINAL` for an action that has not ended.
 */
export function toWebhookEvent(action: EndedAction): WebhookEvent {
  const status = finalStatusOf(action);
  const endedAt = action.finishedAt ?? action.updatedAt;
  return {
    type: `action.${status}`,
    timestamp: endedAt.toISOString(),
    data: toActionUpdate(progressStateOf(action), endedAt),
  };
}

/** Returns the id of an action's one webhook, by which a receiver recognises a repetition. */
export function webhookId(actionId: string): string {
  return `msg_${actionId}`;
}

/**
 * Signs a body by the Standard Webhooks specification, which allows a signature per secret. A receiver accepts a webhook
 * if it knows one of the secrets.
 *
 * @param secrets the account's secrets: `whsec_` and the base64 of the key, the present one first.
 * @param now time of the send. Receivers refuse webhooks that are older than some minutes.
 */
export function signWebhook(id: string, body: string, secrets: readonly string[], now: Date): SignedWebhook {
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    headers: {
      [WEBHOOK_HEADERS.id]: id,
      [WEBHOOK_HEADERS.timestamp]: timestamp,
      [WEBHOOK_HEADERS.signature]: signatures.join(' '),
    },
    body,
  };
}

function finalStatusOf({ _id, status }: EndedAction): FinalStatus {
  if (!isAccepted(status) || !isFinal(status))
    throw new CodedError('ACTION_NOT_FINAL', `action ${_id} is ${status}`);
  return status;
}
