import { describe, expect, it } from '@jest/globals';
import type { ProgressState } from '@bulk/contracts';
import { SubscriptionHub } from './hub.ts';
import { Subscription } from './subscription.ts';

const state = (actionId: string, version: number, status: ProgressState['status']): ProgressState => ({
  actionId,
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  version,
  status,
  total: 1,
  success: 0,
  failure: 0,
  skipped: 0,
  startedAt: null,
  finishedAt: null,
  updatedAt: 0,
  pausedMs: 0,
});

function subscriptionTo(actionId: string) {
  const sent: number[] = [];
  const subscription = new Subscription({
    actionId,
    accountId: 'acme',
    intervalMs: 0,
    scheduler: { now: () => 0, after: () => () => undefined },
    sink: { ready: true, send: ({ version }) => void sent.push(version) },
  });
  subscription.open(state(actionId, 1, 'queued'));
  return { subscription, sent };
}

describe('SubscriptionHub', () => {
  it('passes a state to the subscriptions of its action, except removed ones', () => {
    const hub = new SubscriptionHub();
    const a1 = subscriptionTo('a');
    const a2 = subscriptionTo('a');
    const b = subscriptionTo('b');
    for (const { subscription } of [a1, a2, b]) hub.add(subscription);
    hub.publish(state('a', 2, 'processing'));
    hub.remove(a2.subscription);
    hub.publish(state('a', 3, 'processing'));
    hub.publish(state('unknown', 3, 'processing'));
    expect([a1.sent, a2.sent, b.sent]).toEqual([[1, 2, 3], [1, 2], [1]]);
    expect(hub.size).toBe(2);
    hub.remove(a1.subscription);
    hub.remove(b.subscription);
    hub.remove(b.subscription);
    expect(hub.size).toBe(0);
    expect(hub.unsettledActionIds()).toEqual([]);
  });

  it('returns the actions for which a subscription still expects updates', () => {
    const hub = new SubscriptionHub();
    hub.add(subscriptionTo('done').subscription);
    hub.add(subscriptionTo('running').subscription);
    hub.publish(state('done', 2, 'completed'));
    expect(hub.unsettledActionIds()).toEqual(['running']);
  });
});
