import { describe, expect, it } from '@jest/globals';
import type { ActionUpdate } from '@bulk/contracts';
import { actionUpdate } from '../test/action-update.ts';
import { AccountFollowers } from './account-followers.ts';

const AT = Date.parse('2026-11-24T10:00:00.000Z');
const SKEW = 5_000;

const update = (actionId: string, version: number): ActionUpdate => actionUpdate({ actionId, version });

function given() {
  const clock = { now: 0 };
  const left: unknown[] = [];
  const followers: AccountFollowers = new AccountFollowers(
    () => clock.now,
    (listener) => {
      left.push(listener);
      followers.delete(listener);
    },
  );
  const follow = (onUpdate: () => void = () => undefined) => {
    const heard: string[] = [];
    followers.add({
      subscribed: () => heard.push('subscribed'),
      updated: ({ actionId, version }) => {
        heard.push(`${actionId} ${version}`);
        onUpdate();
      },
      failed: (error) => heard.push(String(error)),
    });
    return heard;
  };
  const acknowledge = (atMs: number) =>
    followers.acknowledged({ accountId: 'acme', at: new Date(atMs).toISOString() });
  const since = (): number | undefined => {
    const request = followers.request();
    if (request.event !== 'subscribeAccount') throw new Error('expected subscribeAccount');
    return request.data?.since === undefined ? undefined : Date.parse(request.data.since);
  };
  return { clock, followers, follow, acknowledge, since, left };
}

describe('AccountFollowers', () => {
  it('receive newer states after the acknowledgement, each with its own memory', () => {
    const { followers, follow, acknowledge } = given();
    const first = follow();
    followers.updated(update('a', 1));
    acknowledge(AT);
    for (const version of [2, 1, 2, 3]) followers.updated(update('a', version));
    const second = follow();
    acknowledge(AT + 1);
    followers.updated(update('a', 3));
    followers.updated(update('b', 1));
    expect(first).toEqual(['subscribed', 'a 2', 'a 3', 'b 1']);
    expect(second).toEqual(['subscribed', 'a 3', 'b 1']);
  });

  it('remember a bounded number of actions, the most recent ones', () => {
    const { followers, follow, acknowledge } = given();
    const heard = follow();
    acknowledge(AT);
    followers.updated(update('kept', 5));
    for (let i = 0; i < 19_998; i += 1) followers.updated(update(`a${i}`, 1));
    followers.updated(update('kept', 6));
    followers.updated(update('x', 1));
    followers.updated(update('y', 1));
    heard.length = 0;
    followers.updated(update('kept', 5));
    followers.updated(update('a0', 1));
    expect(heard).toEqual(['a0 1']);
  });

  it('drop a follower that throws and give it its error', () => {
    const { followers, follow, acknowledge, left } = given();
    const failing = follow(() => {
      throw new Error('mine');
    });
    const fine = follow();
    acknowledge(AT);
    followers.updated(update('a', 1));
    followers.updated(update('a', 2));
    expect(failing).toEqual(['subscribed', 'a 1', 'Error: mine']);
    expect(fine).toEqual(['subscribed', 'a 1', 'a 2']);
    expect([left.length, followers.size]).toEqual([1, 1]);
  });

  it('ask for changes since the first acknowledgement after a short connection', () => {
    const { clock, follow, acknowledge, since } = given();
    follow();
    expect(since()).toBeUndefined();
    acknowledge(AT);
    expect(since()).toBe(AT - SKEW);
    // It is offline for two hours, and the connection after that breaks before its snapshot must have arrived.
    clock.now = 7_200_000;
    acknowledge(AT + 7_200_000);
    clock.now += 59_000;
    expect(since()).toBe(AT - SKEW);
  });

  it('ask for changes since a minute before the last message after a long connection', () => {
    const { clock, followers, follow, acknowledge, since } = given();
    follow();
    acknowledge(AT);
    clock.now = 3_600_000;
    followers.heard();
    clock.now = 9_999_999;
    expect(since()).toBe(AT + 3_600_000 - 60_000 - SKEW);
    // And never requests more again.
    acknowledge(AT + 3_600_000);
    expect(since()).toBe(AT + 3_600_000 - 60_000 - SKEW);
  });

  it('start from scratch after all have left', () => {
    const { followers, follow, acknowledge, since } = given();
    follow();
    acknowledge(AT);
    expect(followers.take()).toHaveLength(1);
    acknowledge(AT);
    follow();
    expect(since()).toBeUndefined();
  });
});
