import type { Duplex } from 'node:stream';
import { toActionUpdate, type ClientFrame, type ProgressState, type ServerFrame } from '@bulk/contracts';
import { CodedError, DependencyError } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { WebSocket, type RawData } from 'ws';
import { ClientSubscriptions, type SubscriptionSettings } from '../subscriptions/client-subscriptions.ts';
import type { UpdateSink } from '../subscriptions/subscription.ts';
import type { ConnectionRecorder } from './connection-recorder.ts';
import { AccountRequiredError, InternalError } from './errors.ts';
import { errorFrame, parseClientFrame } from './frames.ts';

/** What is the same for every connection of a process. */
export interface ConnectionSettings extends SubscriptionSettings {
  readonly maxBufferedBytes: number;
  readonly recorder: ConnectionRecorder;
  readonly log: Logger;
}

/** Requests of one connection that wait for their turn at most; reading pauses above. */
const MAX_WAITING = 16;

/**
 * One client. Its requests are carried out one by one, in order. Nothing of it grows: while more than
 * `maxBufferedBytes` are unsent, its subscriptions keep only the newest state of each action, and nothing more is read from it (each
 * request and each ping costs an answer); while `MAX_WAITING` requests wait, nothing more is read either.
 */
export class Connection implements UpdateSink {
  readonly #socket: WebSocket;
  readonly #accountId: string | undefined;
  readonly #settings: ConnectionSettings;
  readonly #subscriptions: ClientSubscriptions;
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
    this.#subscriptions = new ClientSubscriptions(settings, this, (error) => this.#reply(errorFrame(error)));
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('ping', () => this.#regulateReading());
    socket.on('pong', () => (this.#alive = true));
    socket.on('close', () => this.#subscriptions.close());
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

  /** Whether it follows an action or an account. */
  get isSubscribed(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Drops a peer that has given no sign of life since the last call, else asks it for one. */
  beat(): void {
    // While its requests wait for us, its answer is not being read.
    if (!this.#alive && this.#waiting < MAX_WAITING) {
      this.#settings.recorder.ended('unresponsive');
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
      await this.#carryOut(frame);
    } catch (error) {
      if (!(error instanceof CodedError) || (error instanceof DependencyError && !error.retryable))
        this.#settings.log.error({ err: error }, 'a request failed');
      const coded = error instanceof CodedError ? error : new InternalError(error);
      this.#reply(errorFrame(coded, frame === undefined ? {} : this.#subjectOf(frame)));
    }
  }

  async #carryOut(frame: ClientFrame): Promise<void> {
    if (frame.event === 'unsubscribe') {
      this.#subscriptions.unsubscribe(frame.data);
      this.#reply({ event: 'unsubscribed', data: frame.data });
      return;
    }
    const accountId = this.#accountId;
    if (accountId === undefined) throw new AccountRequiredError();
    if (frame.event === 'subscribe') {
      await this.#subscriptions.subscribe(frame.data, accountId, () =>
        this.#reply({ event: 'subscribed', data: frame.data }),
      );
    } else if (frame.event === 'subscribeAccount') {
      const since = frame.data?.since === undefined ? undefined : new Date(frame.data.since);
      await this.#subscriptions.subscribeAccount(accountId, since, (at) =>
        this.#reply({ event: 'subscribedAccount', data: { accountId, at: at.toISOString() } }),
      );
    } else {
      this.#subscriptions.unsubscribeAccount();
      this.#reply({ event: 'unsubscribedAccount', data: { accountId } });
    }
  }

  /** What a request is about, by which the client finds out what an error belongs to. */
  #subjectOf(frame: ClientFrame): { actionId: string } | { accountId: string } | Record<string, never> {
    if (frame.event === 'subscribe' || frame.event === 'unsubscribe') return { actionId: frame.data };
    return this.#accountId === undefined ? {} : { accountId: this.#accountId };
  }

  #reply(frame: ServerFrame): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(frame));
    this.#settings.recorder.sent(frame.event);
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
    this.#subscriptions.resume();
  }
}

function asBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
