import { describe, expect, it } from '@jest/globals';
import { InFlight, type Publisher } from './in-flight.ts';
import { LaneWindow } from './lane-window.ts';
import type { ShareInFlight } from './shares-in-flight.ts';
import { Turns } from './turns.ts';

const STALE_MS = 60_000;
const LOOK_EVERY_MS = 200;
const TURN = 50;

interface Sent {
  readonly accountId: string;
  readonly at: number;
}

/**
 * A lane with one instance of intake, accounts that always have more to publish, and handlers that
 * may be unavailable.
 */
class Lane {
  now = 0;
  handlersRun = true;
  /** Batches that no handler can ever finish, e.g. because their results cannot be read. */
  readonly poison: Sent[] = [];
  readonly #window = new LaneWindow({ min: 12, max: 1_000, tolerance: 1.5, probeEveryMs: 10_000 });
  readonly #inFlight: InFlight;
  readonly #turns = new Turns();
  readonly #contenders = new Map<string, Publisher>();
  readonly #movedAt = new Map<string, number>();
  readonly #perMs: number;
  #queue: Sent[] = [];
  #served = 0;
  #firstCounted = new Map<string, number>();

  constructor({ perSecond }: { perSecond: number }) {
    this.#perMs = perSecond / 1_000;
    this.#inFlight = new InFlight({
      account: 200,
      laneAt: () => this.#window.sizeAt(this.now, false),
      staleMs: STALE_MS,
    });
  }

  get inFlight(): number {
    return this.#queue.length + this.poison.length;
  }

  get limit(): number {
    return this.#window.sizeAt(this.now, false);
  }

  join(accountId: string): void {
    this.#contenders.set(accountId, { accountId, actionId: accountId, lane: 'normal', batchWeight: 1 });
  }

  leave(accountId: string): void {
    this.#contenders.delete(accountId);
  }

  firstCountedOf(accountId: string): number | undefined {
    return this.#firstCounted.get(accountId);
  }

  /** @returns the maximum number of batches in flight. */
  runFor(ms: number, until: () => boolean = () => false): number {
    let most = this.inFlight;
    for (const end = this.now + ms; this.now < end && !until(); this.now += LOOK_EVERY_MS) {
      this.#serve();
      this.#publish();
      most = Math.max(most, this.inFlight);
    }
    return most;
  }

  #serve(): void {
    this.#served = this.handlersRun ? this.#served + this.#perMs * LOOK_EVERY_MS : 0;
    const served = this.#queue.splice(0, Math.floor(this.#served));
    this.#served = Math.min(1, this.#served - served.length);
    for (const { accountId } of served) {
      this.#movedAt.set(accountId, this.now);
      if (!this.#firstCounted.has(accountId)) this.#firstCounted.set(accountId, this.now);
    }
    const here = [...this.#contenders.values()];
    const held = here.some((one) => this.#inFlight.roomFor(one) === 0);
    this.#window.observe(
      served.map(({ at }) => this.now - at),
      held,
      this.now,
    );
  }

  #publish(): void {
    const here = [...this.#contenders.values()];
    this.#inFlight.note(this.#shares(), here, this.now);
    for (;;) {
      const next = this.#turns.take(here.filter((one) => this.#inFlight.roomFor(one) > 0));
      if (next === undefined) return;
      const batches = Math.min(TURN, this.#inFlight.roomFor(next));
      this.#inFlight.published(next, batches);
      const { accountId } = next;
      for (let i = 0; i < batches; i += 1) this.#queue.push({ accountId, at: this.now });
      // An action counts as having moved when its first batch is published.
      if (!this.#movedAt.has(accountId)) this.#movedAt.set(accountId, this.now);
    }
  }

  #shares(): ShareInFlight[] {
    const batches = new Map<string, number>();
    for (const { accountId } of [...this.#queue, ...this.poison]) {
      batches.set(accountId, (batches.get(accountId) ?? 0) + 1);
    }
    return [...batches].map(([accountId, n]) => {
      const isStale = this.now - (this.#movedAt.get(accountId) ?? 0) > STALE_MS;
      return { lane: 'normal', accountId, batches: n, stale: isStale ? n : 0 };
    });
  }
}

describe('an outage of the handlers', () => {
  it('does not increase the number of batches in flight, and a newcomer waits briefly afterwards', () => {
    const lane = new Lane({ perSecond: 200 });
    const accounts = Array.from({ length: 100 }, (_, i) => `account-${i}`);
    for (const accountId of accounts) lane.join(accountId);
    const before = lane.runFor(20_000);
    lane.handlersRun = false;
    const during = lane.runFor(120_000);
    // One batch per account, and one for each span without an outcome, which shows whether the lane
    // moves again.
    expect(during).toBeLessThanOrEqual(before + accounts.length + 2);
    lane.handlersRun = true;
    lane.join('newcomer');
    const at = lane.now;
    lane.runFor(60_000, () => lane.firstCountedOf('newcomer') !== undefined);
    expect(lane.now - at).toBeLessThan(1_500);
    // Stale batches do not count now that the lane moves, but at most as many as the lane's limit.
    expect(lane.runFor(60_000)).toBeLessThanOrEqual(2 * before + accounts.length);
  });

  it('keeps the batches in flight below twice the limit of the lane when it lasts an hour', () => {
    const lane = new Lane({ perSecond: 200 });
    lane.join('large');
    lane.runFor(30_000);
    lane.handlersRun = false;
    expect(lane.runFor(3_600_000)).toBeLessThanOrEqual(2 * lane.limit);
  });
});

describe('a batch that is stuck permanently', () => {
  it('does not close its lane, although all batches in flight are stuck', () => {
    const lane = new Lane({ perSecond: 200 });
    lane.join('a');
    // More than the account's part, and none of these batches moves.
    for (let i = 0; i < 12; i += 1) lane.poison.push({ accountId: 'a', at: 0 });
    lane.runFor(2 * STALE_MS);
    expect(lane.firstCountedOf('a')).toBeDefined();
    lane.leave('a');
    lane.join('b');
    lane.runFor(10_000);
    expect(lane.firstCountedOf('b')).toBeDefined();
  });
});
