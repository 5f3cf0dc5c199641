import type { AccountSubscribed, ActionUpdate, ClientFrame } from '@bulk/contracts';
import { tell, type ProgressListener } from './progress-listener.ts';

/** How far the shown state may lag behind, in ms: if an event is lost, the notifier finds the change later. */
const LAG_MS = 60_000;
/** Maximum difference between the clocks of the services behind the notifier, in ms. */
const CLOCK_SKEW_MS = 5_000;
/** Number of actions whose last version is remembered per listener: more than the notifier tracks at a time. */
const MAX_REMEMBERED = 20_000;

/**
 * Tracks the followers of the account, and the instant from which a new connection must show missed changes. Each
 * listener has its own memory of versions: a new one gets a snapshot, and the others hear nothing from it that they
 * know.
 *
 * Within one connection the notifier never shows an older version, nor does MongoDB show one to the next connection.
 * The memory drops repetitions, and any older version that arrives nevertheless. It is bounded: it drops the actions
 * first that it has not heard of for the longest time.
 */
export class AccountFollowers {
  readonly #now: () => number;
  readonly #followers = new Map<ProgressListener, { versions: Map<string, number>; acknowledged: boolean }>();
  /** All actions that finished before this instant have been shown, in the notifier's ms since 1970. */
  #shownUntil: number | undefined;
  /** The last acknowledgement: the notifier's time, when it arrived, and when anything was last heard, by our clock. */
  #connection: { at: number; since: number; heardAt: number } | undefined;

  readonly #leave: (listener: ProgressListener) => void;

  /**
   * @param now milliseconds since some fixed instant; never goes back.
   * @param leave removes a listener that threw.
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

  /** Removes a listener. @returns whether it existed. */
  delete(listener: ProgressListener): boolean {
    const known = this.#followers.delete(listener);
    if (this.#followers.size === 0) this.#shownUntil = this.#connection = undefined;
    return known;
  }

  /** Returns the request that shows all changes that are not known yet. */
  request(): ClientFrame {
    const shownUntil = this.#settle();
    if (shownUntil === undefined) return { event: 'subscribeAccount' };
    const since = new Date(shownUntil - CLOCK_SKEW_MS).toISOString();
    return { event: 'subscribeAccount', data: { since } };
  }

  /** Records that a message arrived: the connection is alive. */
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

  /** Removes all listeners and returns them. */
  take(): ProgressListener[] {
    const listeners = [...this.#followers.keys()];
    for (const listener of listeners) this.delete(listener);
    return listeners;
  }

  /**
   * Advances the instant up to which everything was shown. A connection that was alive for longer than the lag has
   * shown everything up to the lag before its last message. Of a connection that broke earlier, even the snapshot may
   * not have arrived.
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
