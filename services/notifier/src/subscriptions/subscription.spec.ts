import { describe, expect, it } from '@jest/globals';
import type { ProgressState } from '@bulk/contracts';
import type { ActionStatus } from '@bulk/domain';
import fc from 'fast-check';
import type { Scheduler } from '@bulk/runtime';
import { Subscription } from './subscription.ts';

const INTERVAL_MS = 200;

/** A clock that stands still until the test moves it. */
class ManualScheduler implements Scheduler {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  get pending(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = next.at;
      next.run();
    }
    this.#now = until;
  }
}

function state(version: number, status: ActionStatus = 'processing', accountId = 'acme'): ProgressState {
  return {
    actionId: 'a',
    accountId,
    actionType: 'update',
    entityType: 'contact',
    version,
    status,
    total: 1_000,
    success: version,
    failure: 0,
    skipped: 0,
    startedAt: 0,
    finishedAt: null,
    updatedAt: 0,
    pausedMs: 0,
  };
}

function given() {
  const scheduler = new ManualScheduler();
  const sent: { version: number; status: ActionStatus; at: number }[] = [];
  const sink = {
    ready: true,
    send: ({ version, status }: ProgressState) => void sent.push({ version, status, at: scheduler.now() }),
  };
  const subscription = new Subscription({
    actionId: 'a',
    accountId: 'acme',
    intervalMs: INTERVAL_MS,
    scheduler,
    sink,
  });
  return { scheduler, sink, subscription, sent, versions: () => sent.map(({ version }) => version) };
}

describe('Subscription', () => {
  it('sends nothing before it is opened, then the newest of snapshot and events', () => {
    const older = given();
    older.subscription.offer(state(7));
    expect(older.versions()).toEqual([]);
    older.subscription.open(state(5));
    expect(older.versions()).toEqual([7]);

    const newer = given();
    newer.subscription.offer(state(7));
    newer.subscription.open(state(9));
    newer.scheduler.advance(INTERVAL_MS);
    expect(newer.versions()).toEqual([9]);
  });

  it('sends a final state at once and is then settled', () => {
    const { subscription, versions } = given();
    subscription.open(state(1));
    subscription.offer(state(2));
    expect(subscription.settled).toBe(false);
    subscription.offer(state(3, 'completed'));
    expect(versions()).toEqual([1, 3]);
    expect(subscription.settled).toBe(true);
  });

  it('answers a second subscribe with the current state again, never with an older one', () => {
    const { subscription, versions } = given();
    subscription.open(state(4));
    subscription.open(state(4));
    subscription.open(state(3));
    expect(versions()).toEqual([4, 4]);
  });

  it('answers with the snapshot when the sink is ready again', () => {
    const { subscription, sink, versions } = given();
    sink.ready = false;
    subscription.open(state(4));
    expect(versions()).toEqual([]);
    sink.ready = true;
    subscription.resume();
    expect(versions()).toEqual([4]);
  });

  it('drops states of another account', () => {
    const { subscription, versions, scheduler } = given();
    subscription.open(state(1));
    subscription.offer(state(2, 'completed', 'other'));
    scheduler.advance(10 * INTERVAL_MS);
    expect(versions()).toEqual([1]);
  });

  it('leaves no timer behind and sends nothing after it is closed', () => {
    const { subscription, scheduler, versions } = given();
    subscription.open(state(1));
    subscription.offer(state(2));
    expect(scheduler.pending).toBe(1);
    subscription.close();
    expect(scheduler.pending).toBe(0);
    subscription.offer(state(3, 'completed'));
    subscription.resume();
    expect(versions()).toEqual([1]);
  });

  it('never goes back, keeps the rate and ends on the newest state, whatever the order of its input', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('offer' as const),
        version: fc.integer({ min: 0, max: 60 }),
        final: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 2 * INTERVAL_MS }) }),
      fc.record({ kind: fc.constant('congested' as const) }),
      fc.record({ kind: fc.constant('drained' as const) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120 }),
        fc.integer({ min: 0, max: 30 }),
        (steps, snapshotVersion) => {
          const { subscription, scheduler, sink, sent } = given();
          subscription.open(state(snapshotVersion));
          let newest = snapshotVersion;
          for (const step of steps) {
            if (step.kind === 'offer') {
              subscription.offer(state(step.version, step.final ? 'completed' : 'processing'));
              newest = Math.max(newest, step.version);
            } else if (step.kind === 'advance') {
              scheduler.advance(step.ms);
            } else {
              sink.ready = step.kind === 'drained';
              const before = sent.length;
              if (sink.ready) subscription.resume();
              else expect(sent.length).toBe(before);
            }
            expect(scheduler.pending).toBeLessThanOrEqual(1);
          }
          sink.ready = true;
          subscription.resume();
          scheduler.advance(INTERVAL_MS);
          expect(sent.at(-1)?.version).toBe(newest);
          sent.slice(1).forEach((update, i) => {
            const previous = sent[i]!;
            expect(update.version).toBeGreaterThan(previous.version);
            if (update.status !== 'completed') {
              expect(update.at - previous.at).toBeGreaterThanOrEqual(INTERVAL_MS);
            }
          });
        },
      ),
    );
  });
});
