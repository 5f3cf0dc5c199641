import { describe, expect, it } from '@jest/globals';
import type { ProgressState } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import fc from 'fast-check';
import { AccountSubscription } from './account-subscription.ts';
import { FinishedActions } from './finished-actions.ts';
import { Subscription } from './subscription.ts';

const AT = 1_000_000;
/** The version with which an action ends. */
const LAST = 6;

function state(actionId: string, version: number, more: Partial<ProgressState> = {}): ProgressState {
  return {
    actionId,
    accountId: 'acme',
    actionType: 'update',
    entityType: 'contact',
    version,
    status: version >= LAST ? 'completed' : 'processing',
    total: 10,
    success: version,
    failure: 0,
    skipped: 0,
    startedAt: 0,
    updatedAt: 0,
    pausedMs: 0,
    finishedAt: version >= LAST ? AT + 1 : null,
    ...more,
  };
}

function given(maxActions = 100) {
  const sent: string[] = [];
  const lookedUp: string[] = [];
  const live = new Set<Subscription>();
  const sink = {
    ready: true,
    send: (update: ProgressState) => {
      sent.push(`${update.actionId}${update.version}`);
      account.sent(update);
    },
  };
  let overflows = 0;
  const account: AccountSubscription = new AccountSubscription({
    accountId: 'acme',
    maxActions,
    finished: new FinishedActions(maxActions).view('acme'),
    single: () => undefined,
    create: (actionId) => {
      const scheduler = { now: () => 0, after: () => () => undefined };
      const made = new Subscription({ actionId, accountId: 'acme', intervalMs: 0, scheduler, sink });
      live.add(made);
      return made;
    },
    release: (subscription) => {
      subscription.close();
      live.delete(subscription);
    },
    lookUp: (actionId) => lookedUp.push(actionId),
    onOverflow: () => {
      overflows += 1;
      account.close();
    },
  });
  return { account, sink, sent, lookedUp, live, overflows: () => overflows };
}

describe('AccountSubscription', () => {
  it('sends nothing while held, then the newest of snapshot and events, oldest action first', () => {
    const { account, sent, lookedUp } = given();
    account.offer(state('b', 3));
    account.offer(state('b', 2));
    account.offer(state('c', LAST));
    account.offer(state('d', 1));
    expect(sent).toEqual([]);
    account.open([state('b', 1), state('a', 1)], AT);
    expect(sent).toEqual(['a1', 'b3', 'c6']);
    expect(lookedUp).toEqual(['d']);
  });

  it('shows a new unfinished action only when MongoDB confirms it', () => {
    const { account, sent, lookedUp } = given();
    account.open([], AT);
    account.offer(state('a', 1));
    expect([sent, lookedUp]).toEqual([[], ['a']]);
    account.confirm(state('a', 2));
    account.offer(state('a', 3));
    expect(sent).toEqual(['a2', 'a3']);
  });

  it('shows no end from before its start, within a tolerance for clocks in live events', () => {
    const { account, sent } = given();
    account.open([], AT);
    account.confirm(state('a', LAST, { finishedAt: AT - 1 }));
    account.offer(state('b', LAST, { finishedAt: AT - 5_001 }));
    expect(sent).toEqual([]);
    account.offer(state('c', LAST, { finishedAt: AT - 5_000 }));
    account.confirm(state('d', LAST, { finishedAt: AT }));
    expect(sent).toEqual(['c6', 'd6']);
  });

  it('shows no end from before its start when a resync reads it while held', () => {
    const { account, sent } = given();
    account.confirm(state('a', LAST, { finishedAt: AT - 1 }));
    account.confirm(state('b', LAST, { finishedAt: AT }));
    account.offer(state('c', LAST, { finishedAt: AT - 1 }));
    account.open([], AT);
    expect(sent).toEqual(['b6', 'c6']);
  });

  it('ignores a snapshot that is older than an end it has shown', () => {
    const { account, sent } = given();
    account.open([state('a', 1)], AT);
    account.offer(state('a', LAST));
    account.open([state('a', 2)], AT);
    expect(sent).toEqual(['a1', 'a6']);
  });

  it('overflows when it would track too many actions, held or open, and not through ended ones', () => {
    const held = given(2);
    for (const actionId of ['a', 'b', 'c', 'd']) held.account.offer(state(actionId, 1));
    expect(held.overflows()).toBe(1);
    held.account.open([state('a', 1)], AT);
    expect(held.sent).toEqual([]);

    const { account, sent, live, overflows } = given(2);
    account.open([state('a', 1), state('b', 1)], AT);
    account.offer(state('a', LAST));
    account.confirm(state('c', 1));
    expect([overflows(), live.size]).toEqual([0, 2]);
    account.confirm(state('d', 1));
    account.offer(state('b', 2));
    expect([overflows(), live.size]).toEqual([1, 0]);
    expect(sent).toEqual(['a1', 'b1', 'a6', 'c1']);
  });

  it('keeps one state per action while the sink is not ready, final states included', () => {
    const { account, sink, sent, live } = given();
    account.open([state('a', 1), state('b', 1)], AT);
    sink.ready = false;
    for (const version of [2, 3, LAST]) account.offer(state('a', version));
    for (const version of [2, 3]) account.offer(state('b', version));
    expect([...account.unendedIds()]).toEqual(['b']);
    sink.ready = true;
    account.resume();
    expect(sent.slice(2)).toEqual(['a6', 'b3']);
    expect(live.size).toBe(1);
  });

  it('never goes back, repeats no end and converges on the stored state, whatever the order of its input', () => {
    const actions = ['a', 'b', 'c', 'd'];
    const step = fc.record({
      kind: fc.constantFrom('write', 'event', 'read', 'congest', 'drain', 'again'),
      actionId: fc.constantFrom(...actions),
      age: fc.nat(LAST),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const { account, sink, sent, lookedUp, live } = given();
        const truth = new Map(actions.map((actionId) => [actionId, 1]));
        const stored = (actionId: string): ProgressState => state(actionId, truth.get(actionId)!);
        const unfinished = (): ProgressState[] =>
          actions.map(stored).filter(({ status }) => !isFinal(status));
        const again = steps.some(({ kind }) => kind === 'again');
        account.open(unfinished(), AT);
        for (const { kind, actionId, age } of steps) {
          const version = truth.get(actionId)!;
          if (kind === 'write') truth.set(actionId, Math.min(LAST, version + 1));
          else if (kind === 'event') account.offer(state(actionId, Math.max(0, version - age)));
          else if (kind === 'read') for (const asked of lookedUp.splice(0)) account.confirm(stored(asked));
          else if (kind === 'congest') sink.ready = false;
          else if (kind === 'drain') {
            sink.ready = true;
            account.resume();
          } else account.open(unfinished(), AT);
        }
        sink.ready = true;
        account.resume();
        for (const actionId of actions) account.confirm(stored(actionId));
        for (const actionId of actions) {
          const versions = sent.flatMap((one, at) =>
            one.startsWith(actionId) ? [{ version: Number(one.slice(1)), at }] : [],
          );
          expect(versions.at(-1)?.version).toBe(truth.get(actionId));
          versions.slice(1).forEach(({ version, at }, i) => {
            const before = versions[i]!.version;
            // A repeated snapshot shows the present state again, at once or when the sink is ready.
            if (again) expect(version).toBeGreaterThanOrEqual(before);
            else expect(version).toBeGreaterThan(before);
            if (before === LAST) throw new Error(`${actionId} came back at ${at}`);
          });
        }
        expect(live.size).toBe(unfinished().length);
      }),
    );
  });
});
