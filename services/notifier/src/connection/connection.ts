import type { Duplex } from 'node:stream';
import {
  CLOSE_CODES,
  toActionUpdate,
  type ClientFrame,
  type ProgressState,
  type ServerFrame,
} from '@bulk/contracts';
import { CodedError, DependencyError } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { WebSocket, type RawData } from 'ws';
import type { BufferedBytes, ConnectionBytes } from '../limits/buffered-bytes.ts';
import { RateLimitedError } from '../limits/errors.ts';
import type { FrameLimit, TakeFrame } from '../limits/frame-limit.ts';
import { ClientSubscriptions } from '../subscriptions/client-subscriptions.ts';
import type {
  SnapshotSubject,
  SubscriptionOwner,
  SubscriptionSettings,
} from '../subscriptions/subscription-settings.ts';
import type { ConnectionRecorder } from './connection-recorder.ts';
import { AccountRequiredError, InternalError } from './errors.ts';
import { errorFrame, parseClientFrame } from './frames.ts';

/** The settings that all connections of a process share. */
export interface ConnectionSettings extends SubscriptionSettings {
  readonly buffered: BufferedBytes;
  readonly frameLimit: Pick<FrameLimit, 'of'>;
  readonly recorder: ConnectionRecorder;
  readonly log: Logger;
}

/** Maximum number of waiting requests of one connection. Beyond it reading pauses. */
const MAX_WAITING = 16;
/** Number of consecutive frames beyond the limit after which the connection is closed. */
const MAX_REFUSED = 20;

/** The subject of an error, by which the client finds the request that it belongs to. */
type Subject = SnapshotSubject | Record<string, never>;

/**
 * Serves one client. Its requests are processed one by one, in order.
 *
 * Its memory is bounded. While more is unsent than BufferedBytes permits, its subscriptions keep
 * only the newest state of each action, and nothing more is read from the client, because each
 * request and each ping costs an answer. While `MAX_WAITING` requests wait, nothing more is read
 * either.
 */
export class Connection implements SubscriptionOwner {
  readonly #socket: WebSocket;
  readonly #accountId: string | undefined;
  readonly #settings: ConnectionSettings;
  readonly #subscriptions: ClientSubscriptions;
  readonly #takeFrame: TakeFrame;
  readonly #bytes: ConnectionBytes;
  #requests: Promise<void> = Promise.resolve();
  #waiting = 0;
  #refused = 0;
  #alive = true;
  /** Whether something waits for room in the buffer. */
  #isHeldUp = false;

  /**
   * @param stream the stream below the socket. It reports when its buffer is empty.
   * @param accountId `undefined` in mode `header` only: the client may follow actions whose ids it
   * knows, and no account.
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
    this.#takeFrame = settings.frameLimit.of(accountId);
    this.#bytes = settings.buffered.open();
    this.#subscriptions = new ClientSubscriptions(settings, this);
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('ping', () => this.#regulateReading());
    socket.on('pong', () => (this.#alive = true));
    socket.on('close', () => {
      this.#subscriptions.close();
      this.#bytes.set(0);
    });
    // ws closes the connection itself, with the standard's code for the error: too big, not UTF-8,
    // a broken frame.
    socket.on('error', (error) => settings.log.debug({ err: error }, 'Connection broken'));
    stream.on('drain', () => this.#drained());
  }

  /** Part of UpdateSink. */
  get ready(): boolean {
    const hasRoom = this.#bytes.hasRoom(this.#socket.bufferedAmount);
    // A caller that finds no room is called again when there is room.
    if (!hasRoom) this.#isHeldUp = true;
    return hasRoom && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Part of UpdateSink. */
  send(state: ProgressState): void {
    const update = toActionUpdate(state, this.#settings.now());
    // In mode `header` the name of an account opens everything, so a client that has only an id
    // does not learn the name.
    this.#reply({ event: 'actionUpdate', data: { ...update, accountId: this.#accountId } });
  }

  /** Part of SubscriptionOwner. */
  accountEnded(error: CodedError): void {
    this.#reply(errorFrame(error, this.#account));
  }

  /** Part of SubscriptionOwner. */
  later(subject: SnapshotSubject, show: () => Promise<void>): void {
    this.#requests = this.#requests.then(async () => {
      try {
        await show();
      } catch (error) {
        this.#refuse(error, subject);
      }
    });
  }

  /** Whether the client follows an action or an account. */
  get isSubscribed(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Drops a peer that has given no sign of life since the last call; otherwise pings it. */
  beat(): void {
    // While the connection's requests wait here, the peer's answer is not read.
    if (!this.#alive && this.#waiting < MAX_WAITING) {
      this.#settings.recorder.ended('unresponsive');
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    // A peer that is behind has enough unread bytes. It shows life by reading them.
    if (!this.ready) return;
    // No callback reports that a pong has left, so a connection that only a pong held up continues here.
    this.#continue();
    this.#socket.ping();
  }

  /** Starts the closing handshake. */
  close(code: number, reason: string): void {
    this.#socket.resume();
    this.#socket.close(code, reason);
  }

  /** Ends the connection at once. */
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
    // Frames sent before the connection was closed are not answered.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const waitMs = await this.#takeFrame();
    const frame = parsed(bytes, isBinary);
    const subject = frame instanceof CodedError ? {} : this.#subjectOf(frame);
    if (waitMs > 0) {
      this.#refuse(new RateLimitedError(waitMs), subject);
      this.#countRefused();
      return;
    }
    this.#refused = 0;
    try {
      if (frame instanceof CodedError) throw frame;
      await this.#carryOut(frame);
    } catch (error) {
      this.#refuse(error, subject);
    }
  }

  async #carryOut(frame: ClientFrame): Promise<void> {
    if (frame.event === 'unsubscribe') {
      this.#subscriptions.unsubscribe(frame.data);
      this.#reply({ event: 'unsubscribed', data: frame.data });
      return;
    }
    const accountId = this.#accountId;
    if (frame.event === 'subscribe') {
      await this.#subscriptions.subscribe(frame.data, accountId, () =>
        this.#reply({ event: 'subscribed', data: frame.data }),
      );
      return;
    }
    if (accountId === undefined) throw new AccountRequiredError();
    if (frame.event === 'subscribeAccount') {
      const since = frame.data?.since === undefined ? undefined : new Date(frame.data.since);
      await this.#subscriptions.subscribeAccount(accountId, since, (at) =>
        this.#reply({ event: 'subscribedAccount', data: { accountId, at: at.toISOString() } }),
      );
    } else {
      this.#subscriptions.unsubscribeAccount();
      this.#reply({ event: 'unsubscribedAccount', data: { accountId } });
    }
  }

  #countRefused(): void {
    this.#settings.recorder.limited();
    this.#refused += 1;
    if (this.#refused < MAX_REFUSED || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#settings.recorder.ended('rate_limited');
    this.close(CLOSE_CODES.rateLimited, 'too many frames');
  }

  #refuse(error: unknown, subject: Subject): void {
    if (!(error instanceof CodedError) || (error instanceof DependencyError && !error.retryable))
      this.#settings.log.error({ err: error }, 'WebSocket request failed');
    this.#reply(errorFrame(error instanceof CodedError ? error : new InternalError(error), subject));
  }

  get #account(): Subject {
    return this.#accountId === undefined ? {} : { accountId: this.#accountId };
  }

  #subjectOf(frame: ClientFrame): Subject {
    return frame.event === 'subscribe' || frame.event === 'unsubscribe'
      ? { actionId: frame.data }
      : this.#account;
  }

  #reply(frame: ServerFrame): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(frame), () => this.#flushed());
    this.#bytes.set(this.#socket.bufferedAmount);
    this.#settings.recorder.sent(frame.event);
  }

  /**
   * Handles bytes that have left. `drain` follows only if more had waited than the stream's
   * high-water mark.
   */
  #flushed(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#bytes.set(this.#socket.bufferedAmount);
    if (!this.#isHeldUp) return;
    this.#alive = true;
    if (this.ready) this.#continue();
  }

  /** Continues what waited for room in the buffer. */
  #continue(): void {
    if (!this.#isHeldUp) return;
    this.#isHeldUp = false;
    this.#regulateReading();
    this.#subscriptions.resume();
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

/** Parses a client's frame. @returns the frame, or the error in it. */
function parsed(bytes: Buffer, isBinary: boolean): ClientFrame | CodedError {
  try {
    return parseClientFrame(bytes, isBinary);
  } catch (error) {
    return error instanceof CodedError ? error : new InternalError(error);
  }
}

function asBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
