import type { AccountSubscribed, ActionUpdate, ClientFrame } from '@bulk/contracts';
import { tell, type ProgressListener } from './progress-listener.ts';

/** What is shown to a listener may lag so far behind, in ms: an event was lost and the notifier finds the change later. */
const LAG_MS = 60_000;
/** How far the clocks behind the notifier may differ, in ms. */
const CLOCK_SKEW_MS = 5_000;
/** Actions of which a listener's last version is remembered: more than the notifier tracks at a time. */
const MAX_REMEMBERED = 20_000;

/**
 * Who follows the account, and from when on a new connection has to make up what was missed. Each listener has its own
 * memory of versions: one that joins gets a snapshot, of which the others hear nothing that they know.
 *
 * The notifier never shows an older version on one connection, nor MongoDB to the next one; the memory drops repetitions,
 * and what would be older all the same. Of the actions it is bounded to, those not heard of for the longest time go first.
 */
export class AccountFollowers {
  readonly #now: () => number;
  readonly #followers = new Map<ProgressListener, { versions: Map<string, number>; acknowledged: boolean }>();
  /** All that finished before this has been shown, in the notifier's ms since 1970. */
  #shownUntil: number | undefined;
  /** The last acknowledgement: the notifier's time, and when it came and anything was heard last, by our clock. */
  #connection: { at: number; since: number; heardAt: number } | undefined;

  readonly #leave: (listener: ProgressListener) => void;

  /**
   * @param now milliseconds since some fixed instant; never goes back.
   * @param leave has a listener that threw leave.
   */
  constructor(now: () => number, leave: (listener: ProgressListener) => void) {
    this.#now = now;
    this.#leave = leave;
  }

  get size(): number {
    return this.#followers.size;
  }

  add(listener: ProgressListener): void {
    this.#followers.set(listener, { versions: new Map(), acknowledged: false });
  }

  /** @returns whether it was there. */
  delete(listener: ProgressListener): boolean {
    const known = this.#followers.delete(listener);
    if (this.#followers.size === 0) this.#shownUntil = this.#connection = undefined;
    return known;
  }

  /** The request that shows what is not known yet. */
  request(): ClientFrame {
    const shownUntil = this.#settle();
    if (shownUntil === undefined) return { event: 'subscribeAccount' };
    const since = new Date(shownUntil - CLOCK_SKEW_MS).toISOString();
    return { event: 'subscribeAccount', data: { since } };
  }

  /** Something was heard: the connection is alive. */
  heard(): void {
    if (this.#connection !== undefined) this.#connection.heardAt = this.#now();
  }

  acknowledged({ at }: AccountSubscribed): void {
    if (this.#followers.size === 0) return;
    this.#shownUntil = this.#settle() ?? Date.parse(at);
    this.#connection = { at: Date.parse(at), since: this.#now(), heardAt: this.#now() };
    const waiting = [...this.#followers].filter(([, { acknowledged }]) => !acknowledged);
    for (const [, follower] of waiting) follower.acknowledged = true;
    tell(
      waiting.map(([listener]) => listener),
      (listener) => listener.subscribed(),
      this.#leave,
    );
  }

  updated(update: ActionUpdate): void {
    for (const [listener, { versions, acknowledged }] of [...this.#followers]) {
      if (!acknowledged || update.version <= (versions.get(update.actionId) ?? -1)) continue;
      remember(versions, update);
      tell([listener], () => listener.updated(update), this.#leave);
    }
  }

  /** Removes all, and gives them. */
  take(): ProgressListener[] {
    const listeners = [...this.#followers.keys()];
    for (const listener of listeners) this.delete(listener);
    return listeners;
  }

  /**
   * A connection that has been alive for longer than the lag has shown all up to the lag before it was heard last; of one
   * that broke earlier, not even its snapshot need have arrived.
   */
  #settle(): number | undefined {
    if (this.#connection === undefined || this.#shownUntil === undefined) return this.#shownUntil;
    const { at, since, heardAt } = this.#connection;
    if (heardAt - since >= LAG_MS)
      this.#shownUntil = Math.max(this.#shownUntil, at + heardAt - since - LAG_MS);
    return this.#shownUntil;
  }
}

function remember(versions: Map<string, number>, { actionId, version }: ActionUpdate): void {
  versions.delete(actionId);
  versions.set(actionId, version);
  if (versions.size <= MAX_REMEMBERED) return;
  for (const oldest of versions.keys()) {
    versions.delete(oldest);
    return;
  }
}
