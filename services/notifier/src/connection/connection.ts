import type { Duplex } from 'node:stream';
import { toActionUpdate, type ClientFrame, type ProgressState, type ServerFrame } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { WebSocket, type RawData } from 'ws';
import type { SubscriptionHub } from '../subscriptions/hub.ts';
import type { Snapshots } from '../subscriptions/snapshots.ts';
import { Subscription, type Scheduler, type UpdateSink } from '../subscriptions/subscription.ts';
import {
  AccountRequiredError,
  ActionNotFoundError,
  InternalError,
  TooManySubscriptionsError,
} from './errors.ts';
import { errorFrame, parseClientFrame } from './frames.ts';

/** What is the same for every connection of a process. */
export interface ConnectionSettings {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'read'>;
  readonly scheduler: Scheduler;
  /** The time of day, for rates and estimates. */
  readonly now: () => Date;
  /** Shortest time between two updates of a subscription, in ms. */
  readonly intervalMs: number;
  readonly maxSubscriptions: number;
  readonly maxBufferedBytes: number;
  readonly log: Logger;
}

/** Requests of one connection that wait for their turn at most; reading pauses above. */
const MAX_WAITING = 16;

/**
 * One client. Its requests are carried out one by one, in order. Nothing of it grows: while more than
 * `maxBufferedBytes` are unsent, its subscriptions keep only the newest state each, and nothing more is read from it (each
 * request and each ping costs an answer); while `MAX_WAITING` requests wait, nothing more is read either.
 */
export class Connection implements UpdateSink {
  readonly #socket: WebSocket;
  readonly #accountId: string | undefined;
  readonly #settings: ConnectionSettings;
  readonly #subscriptions = new Map<string, Subscription>();
  #requests: Promise<void> = Promise.resolve();
  #waiting = 0;
  #alive = true;

  /**
   * @param stream what the socket runs over: says when its buffer is empty.
   * @param accountId undefined: may connect, and is told at `subscribe` what is missing.
   */
  constructor(
    socket: WebSocket,
    stream: Duplex,
    accountId: string | undefined,
    settings: ConnectionSettings,
  ) {
    this.#socket = socket;
    this.#accountId = accountId;
    this.#settings = settings;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('ping', () => this.#regulateReading());
    socket.on('pong', () => (this.#alive = true));
    socket.on('close', () => this.#closed());
    // ws closes by itself, with the code that the standard has for it: too big, not UTF-8, a broken frame.
    socket.on('error', (error) => settings.log.debug({ err: error }, 'a connection broke'));
    stream.on('drain', () => this.#drained());
  }

  /** Part of UpdateSink. */
  get ready(): boolean {
    return (
      this.#socket.readyState === WebSocket.OPEN &&
      this.#socket.bufferedAmount <= this.#settings.maxBufferedBytes
    );
  }

  /** Part of UpdateSink. */
  send(state: ProgressState): void {
    this.#reply({ event: 'actionUpdate', data: toActionUpdate(state, this.#settings.now()) });
  }

  /** Drops a peer that has given no sign of life since the last call, else asks it for one. */
  beat(): void {
    // While its requests wait for us, its answer is not being read.
    if (!this.#alive && this.#waiting < MAX_WAITING) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    // A peer that is behind has unread bytes enough: it shows life by reading them.
    if (this.ready) this.#socket.ping();
  }

  /** Begins the closing handshake. */
  close(code: number, reason: string): void {
    this.#socket.resume();
    this.#socket.close(code, reason);
  }

  /** Ends it at once. */
  terminate(): void {
    this.#socket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#alive = true;
    this.#waiting += 1;
    this.#regulateReading();
    this.#requests = this.#requests
      .then(() => this.#answer(asBuffer(data), isBinary))
      .finally(() => {
        this.#waiting -= 1;
        this.#regulateReading();
      });
  }

  async #answer(bytes: Buffer, isBinary: boolean): Promise<void> {
    let frame: ClientFrame | undefined;
    try {
      frame = parseClientFrame(bytes, isBinary);
      if (frame.event === 'subscribe') await this.#subscribe(frame.data);
      else this.#unsubscribe(frame.data);
    } catch (error) {
      if (!(error instanceof CodedError)) this.#settings.log.error({ err: error }, 'a request failed');
      this.#reply(errorFrame(error instanceof CodedError ? error : new InternalError(error), frame?.data));
    }
  }

  async #subscribe(actionId: string): Promise<void> {
    if (this.#accountId === undefined) throw new AccountRequiredError();
    const known = this.#subscriptions.get(actionId);
    // Registered before the snapshot is read, so that no change falls in between.
    const subscription = known ?? this.#register(actionId, this.#accountId);
    try {
      const state = await this.#settings.snapshots.read(actionId, this.#accountId);
      if (state === undefined) throw new ActionNotFoundError(actionId);
      this.#reply({ event: 'subscribed', data: actionId });
      subscription.open(state);
    } catch (error) {
      if (known === undefined) this.#drop(subscription);
      throw error;
    }
  }

  #unsubscribe(actionId: string): void {
    const subscription = this.#subscriptions.get(actionId);
    if (subscription !== undefined) this.#drop(subscription);
    this.#reply({ event: 'unsubscribed', data: actionId });
  }

  #register(actionId: string, accountId: string): Subscription {
    const { maxSubscriptions, intervalMs, scheduler, hub } = this.#settings;
    if (this.#subscriptions.size >= maxSubscriptions) throw new TooManySubscriptionsError(maxSubscriptions);
    const subscription = new Subscription({ actionId, accountId, intervalMs, scheduler, sink: this });
    // A request that was waiting when the connection closed must leave nothing in the hub.
    if (this.#socket.readyState !== WebSocket.OPEN) return subscription;
    this.#subscriptions.set(actionId, subscription);
    hub.add(subscription);
    return subscription;
  }

  #drop(subscription: Subscription): void {
    subscription.close();
    this.#subscriptions.delete(subscription.actionId);
    this.#settings.hub.remove(subscription);
  }

  #reply(frame: ServerFrame): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #regulateReading(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const mayRead = this.#waiting < MAX_WAITING && this.ready;
    if (mayRead && this.#socket.isPaused) this.#socket.resume();
    else if (!mayRead && !this.#socket.isPaused) this.#socket.pause();
  }

  #drained(): void {
    this.#alive = true;
    this.#regulateReading();
    for (const subscription of this.#subscriptions.values()) subscription.resume();
  }

  #closed(): void {
    for (const subscription of [...this.#subscriptions.values()]) this.#drop(subscription);
  }
}

function asBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
