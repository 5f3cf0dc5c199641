import { credentialedUrl, type TokenSource } from './arguments.ts';
import { DEFAULT_RECONNECT, ProgressConnection, type ReconnectOptions } from './progress-connection.ts';
import { platformWebSocket, type WebSocketConstructor } from './web-socket.ts';

/** How a client keeps its WebSocket. */
export interface ProgressOptions {
  /** The implementation of WebSocket. @default the platform's, else that of `ws` */
  readonly WebSocket?: WebSocketConstructor;
  readonly reconnect?: Partial<ReconnectOptions>;
  /** Time without a message after which the client asks the notifier for a sign of life, in ms. @default 15,000 */
  readonly keepAliveMs?: number;
}

/** Who connects. */
export interface Credentials {
  readonly accountId: string | undefined;
  readonly token: TokenSource | undefined;
}

const DEFAULT_KEEP_ALIVE_MS = 15_000;

/** Creates the connection to a notifier. It opens with its first subscription. */
export function progressConnectionTo(
  target: URL,
  { accountId, token }: Credentials,
  { WebSocket: implementation, reconnect, keepAliveMs = DEFAULT_KEEP_ALIVE_MS }: ProgressOptions,
): ProgressConnection {
  return new ProgressConnection({
    address: `${target.origin}${target.pathname}`,
    url: () => credentialedUrl(target, accountId, token),
    webSocket: implementation === undefined ? platformWebSocket : () => Promise.resolve(implementation),
    reconnect: { ...DEFAULT_RECONNECT, ...reconnect },
    keepAliveMs,
    random: Math.random,
  });
}
