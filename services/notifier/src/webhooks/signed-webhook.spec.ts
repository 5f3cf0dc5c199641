import { describe, expect, it } from '@jest/globals';
import { webhookEventSchema } from '@bulk/contracts';
import { accountWebhookSecret } from '@bulk/webhooks';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import type { EndedAction } from './claimed-webhook.ts';
import { signWebhook, toWebhookEvent, webhookId } from './signed-webhook.ts';

const SECRET = accountWebhookSecret('m'.repeat(32), 'acme');
const ACTION: EndedAction = {
  _id: '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0f',
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  version: 7,
  status: 'completed',
  total: 10,
  counts: { success: 7, failure: 2, skipped: 1 },
  startedAt: new Date('2026-11-24T12:00:00Z'),
  finishedAt: new Date('2026-11-24T12:00:05Z'),
  updatedAt: new Date('2026-11-24T12:00:06Z'),
};

describe('toWebhookEvent', () => {
  it('describes how the action ended', () => {
    const event = toWebhookEvent(ACTION);
    expect(webhookEventSchema.parse(event)).toEqual(event);
    expect(event).toEqual({
      type: 'action.completed',
      timestamp: '2026-11-24T12:00:05.000Z',
      data: {
        actionId: ACTION._id,
        accountId: 'acme',
        actionType: 'update',
        entityType: 'contact',
        version: 7,
        status: 'completed',
        total: 10,
        processed: 10,
        success: 7,
        failure: 2,
        skipped: 1,
        percent: 100,
        rate: 2,
        startedAt: '2026-11-24T12:00:00.000Z',
        finishedAt: '2026-11-24T12:00:05.000Z',
        eta: null,
      },
    });
  });

  it('returns the same event each time, even if the action has no recorded end', () => {
    const cancelled = { ...ACTION, status: 'cancelled' as const, startedAt: null, finishedAt: null };
    expect(toWebhookEvent(cancelled)).toEqual(toWebhookEvent(cancelled));
    expect(toWebhookEvent(cancelled)).toMatchObject({
      type: 'action.cancelled',
      timestamp: '2026-11-24T12:00:06.000Z',
    });
  });

  it.each(['staging', 'pending', 'queued', 'processing', 'paused'] as const)(
    'returns undefined for %s',
    (status) => {
      expect(() => toWebhookEvent({ ...ACTION, status })).toThrow(
        /is (staging|pending|queued|processing|paused)/,
      );
    },
  );
});

describe('signWebhook', () => {
  const id = webhookId(ACTION._id);
  const body = JSON.stringify({ name: 'Zoë', text: '…' });

  it("passes the verification of the standard library, with only the account's secret", () => {
    const { headers } = signWebhook(id, body, [SECRET], new Date());
    expect(new Webhook(SECRET).verify(body, headers)).toEqual(JSON.parse(body));
    const other = new Webhook(accountWebhookSecret('m'.repeat(32), 'other'));
    expect(() => other.verify(body, headers)).toThrow(WebhookVerificationError);
    expect(() => new Webhook(SECRET).verify(`${body} `, headers)).toThrow(WebhookVerificationError);
  });

  it('is accepted during a rotation by a receiver that knows only the old secret, or only the new one', () => {
    const next = accountWebhookSecret('n'.repeat(32), 'acme');
    const { headers } = signWebhook(id, body, [next, SECRET], new Date());
    for (const secret of [SECRET, next])
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    const other = new Webhook(accountWebhookSecret('o'.repeat(32), 'acme'));
    expect(() => other.verify(body, headers)).toThrow(WebhookVerificationError);
  });

  it('returns exactly the signature of the standard library', () => {
    const now = new Date('2026-11-24T12:00:05.900Z');
    expect(signWebhook(id, body, [SECRET], now).headers).toEqual({
      'webhook-id': `msg_${ACTION._id}`,
      'webhook-timestamp': '1795521605',
      'webhook-signature': new Webhook(SECRET).sign(id, new Date('2026-11-24T12:00:05Z'), body),
    });
  });
});
