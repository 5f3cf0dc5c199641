import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AccountForbiddenError, UnauthenticatedError, type Authenticator } from '@bulk/auth';
import { CLOSE_CODES } from '@bulk/contracts';
import { CodedError, InvalidInputError } from '@bulk/domain';
import {
  settledWithin,
  GuardedServer,
  refuseConnection,
  refuseRequest,
  type ListenAddress,
  type Logger,
  type ServerLimits,
} from '@bulk/runtime';
import { WebSocketServer } from 'ws';
import {
  HOW_TO_AUTHENTICATE,
  HOW_TO_NAME_ACCOUNT,
  ownerOf,
  type ConnectionOwner,
} from '../connection/account.ts';
import { Connection, type ConnectionSettings } from '../connection/connection.ts';
import { InternalError } from '../connection/errors.ts';
import { CLIENT_FRAMES } from '../connection/frames.ts';
import { AccountConnections, TooManyAccountConnectionsError } from './account-connections.ts';
import { atInstant } from './at-instant.ts';
import { checkOrigin, OriginForbiddenError } from './origin-policy.ts';
import { answerOf, type Refusal } from './refusals.ts';

export interface NotifierServerOptions {
  readonly settings: ConnectionSettings;
  readonly authenticator: Authenticator;
  readonly maxConnections: number;
  readonly maxAccountConnections: number;
  /** Maximum number of connections without an account. */
  readonly maxUnnamedConnections: number;
  /** How long a connection without an account may follow nothing, in ms. */
  readonly subscribeTimeoutMs: number;
  /**
   * Origins whose web pages may connect, in addition to those of the same host. `*` permits all.
   */
  readonly allowedOrigins: readonly string[];
  /** Limits of plain HTTP, until a connection is a WebSocket. */
  readonly http: Omit<ServerLimits, 'maxConnections'>;
  /** Maximum size of a client's frame, in bytes. */
  readonly maxMessageBytes: number;
  /** Time between pings, in ms. */
  readonly heartbeatMs: number;
  /** How long a stop waits for the closing handshakes, in ms. */
  readonly closeTimeoutMs: number;
  readonly log: Logger;
}

/** The Retry-After of a refusal, in seconds. */
const RETRY_AFTER_S = 5;
/** Number of connections beyond the limit that still receive the refusal. */
const REFUSED_AT_ONCE = 1_000;
/** Accepts connections on the root URL, within limits, until it is closed. */
export class NotifierServer {
  readonly #options: NotifierServerOptions;
  readonly #http: GuardedServer;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #ofAccounts: AccountConnections;
  readonly #unnamed: AccountConnections;
  /** Sockets whose requests are being authenticated. */
  readonly #pending = new Set<Duplex>();
  #heartbeat: NodeJS.Timeout | undefined;
  #closing = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: NotifierServerOptions) {
    this.#options = options;
    this.#ofAccounts = new AccountConnections(options.maxAccountConnections);
    this.#unnamed = new AccountConnections(options.maxUnnamedConnections);
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxMessageBytes,
      perMessageDeflate: false,
    });
    // Otherwise ws answers itself, without an envelope.
    this.#webSockets.on('wsClientError', (error, socket) => this.#refuse(socket, invalidHandshake(error)));
    this.#http = new GuardedServer({
      ...options.http,
      maxConnections: options.maxConnections + REFUSED_AT_ONCE,
      handle: (_request, response) => refuseRequest(response, answerOf(UPGRADE_REQUIRED)),
      upgrade: (request, socket, head) => void this.#upgrade(request, socket, head),
      log: options.log,
    });
  }

  /**
   * Starts to accept connections.
   *
   * @param at the address to listen on.
   * @returns the port; rejects if the address or the port is refused.
   */
  async listen(at: ListenAddress): Promise<number> {
    const listening = await this.#http.listen(at);
    this.#heartbeat = setInterval(() => {
      for (const connection of this.#connections) connection.beat();
    }, this.#options.heartbeatMs);
    return listening;
  }

  /** Number of open connections. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Accepts no more connections, closes every client with 1001 (leaving), and ends what has not
   * closed in time.
   */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#heartbeat);
    const closed = this.#http.close(this.#options.closeTimeoutMs);
    for (const socket of this.#pending) socket.destroy();
    for (const connection of this.#connections) {
      connection.close(CLOSE_CODES.goingAway, 'the service is stopping');
      this.#options.settings.recorder.ended('stopping');
    }
    if (this.#connections.size > 0) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
      await settledWithin(this.#options.closeTimeoutMs, empty);
    }
    for (const connection of this.#connections) connection.terminate();
    await closed;
  }

  /** Never rejects. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until ws takes the socket, it has no other listener, and an unhandled error would end the
    // process.
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'Connection broken'));
    try {
      const url = this.#admit(request);
      // A socket that waits here already counts as a connection.
      this.#pending.add(socket);
      const owner = await ownerOf(request, url, this.#options.authenticator).finally(() =>
        this.#pending.delete(socket),
      );
      // A socket that closed meanwhile is destroyed. During a stop ws would still accept it.
      if (!this.#closing) this.#take(request, socket, head, owner);
    } catch (error) {
      if (!(error instanceof CodedError)) this.#options.log.error({ err: error }, 'Upgrade failed');
      this.#refuse(socket, refusalOf(error));
    }
  }

  #refuse(socket: Duplex, refusal: Refusal): void {
    this.#options.settings.recorder.refused(refusal.error.code);
    refuseConnection(socket, answerOf(refusal));
  }

  #take(request: IncomingMessage, socket: Duplex, head: Buffer, owner: ConnectionOwner): void {
    const { accountId, expiresAt } = owner;
    const { recorder } = this.#options.settings;
    // A socket that has closed would never give its place back.
    if (socket.destroyed) return;
    const leave = accountId === undefined ? this.#unnamed.take('') : this.#ofAccounts.take(accountId);
    socket.once('close', leave);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(webSocket, socket, accountId, this.#options.settings);
      this.#connections.add(connection);
      recorder.opened();
      const cancelExpiry =
        expiresAt === null
          ? undefined
          : atInstant(expiresAt, () => {
              recorder.ended('token_expired');
              connection.close(CLOSE_CODES.tokenExpired, 'token expired');
            });
      const silence = accountId === undefined ? this.#closeUnlessSubscribed(connection) : undefined;
      webSocket.once('close', () => {
        cancelExpiry?.();
        clearInterval(silence);
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#onEmpty?.();
      });
    });
  }

  /**
   * Closes a connection that has followed nothing for the time-out, since its start or for a whole
   * period.
   */
  #closeUnlessSubscribed(connection: Connection): NodeJS.Timeout {
    const { settings, subscribeTimeoutMs } = this.#options;
    let isQuiet = true;
    const timer = setInterval(() => {
      const wasQuiet = isQuiet;
      isQuiet = !connection.isSubscribed;
      if (!wasQuiet || !isQuiet) return;
      clearInterval(timer);
      settings.recorder.ended('not_subscribed');
      connection.close(CLOSE_CODES.notSubscribed, 'no account and no subscription');
    }, subscribeTimeoutMs);
    return timer;
  }

  /**
   * Checks a request, whatever its owner.
   *
   * @returns the URL.
   * @throws CodedError if the request is refused.
   */
  #admit(request: IncomingMessage): URL {
    const url = requestUrl(request);
    if (url?.pathname !== '/') {
      throw new CodedError('NOT_FOUND', `expected the root URL: ${HOW_TO_CONNECT}`);
    }
    const { maxConnections, allowedOrigins } = this.#options;
    checkOrigin(request.headers, allowedOrigins);
    if (this.#closing || this.#connections.size + this.#pending.size >= maxConnections) {
      throw new CodedError(
        'TOO_MANY_CONNECTIONS',
        this.#closing ? 'the service is stopping' : `at most ${maxConnections} connections are taken`,
        { retryable: true },
      );
    }
    return url;
  }
}

const HOW_TO_CONNECT = `connect with a WebSocket to ws://<host>/, naming the account by ${HOW_TO_NAME_ACCOUNT}, or where tokens are checked by ${HOW_TO_AUTHENTICATE}; then send JSON text frames: ${CLIENT_FRAMES}`;

const UPGRADE_REQUIRED: Refusal = {
  status: 426,
  error: new CodedError('UPGRADE_REQUIRED', `this is a WebSocket server: ${HOW_TO_CONNECT}`),
  headers: { Upgrade: 'websocket', Connection: 'Upgrade' },
};

function refusalOf(error: unknown): Refusal {
  if (error instanceof InvalidInputError) return { status: 400, error };
  if (error instanceof UnauthenticatedError) {
    return { status: 401, error, headers: { 'WWW-Authenticate': error.challenge } };
  }
  if (error instanceof AccountForbiddenError || error instanceof OriginForbiddenError)
    return { status: 403, error };
  if (!(error instanceof CodedError)) return { status: 500, error: new InternalError(error) };
  if (error instanceof TooManyAccountConnectionsError) {
    return { status: 429, error, headers: { 'Retry-After': String(RETRY_AFTER_S) } };
  }
  return error.retryable
    ? { status: 503, error, headers: { 'Retry-After': String(RETRY_AFTER_S) } }
    : { status: 404, error };
}

/** @param error of ws. Its text names the header at fault. */
function invalidHandshake({ message }: Error): Refusal {
  const error = new CodedError('INVALID_HANDSHAKE', `this is no WebSocket handshake: ${message}`);
  return { status: 400, error, headers: { 'Sec-WebSocket-Version': '13' } };
}

function requestUrl(request: IncomingMessage): URL | undefined {
  const url = request.url ?? '/';
  return URL.canParse(url, 'ws://host') ? new URL(url, 'ws://host') : undefined;
}
