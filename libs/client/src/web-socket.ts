/** The part of a WebSocket that is used. The WebSockets of browsers and of `ws` have it. */
export interface WebSocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /** Ends the connection without a handshake, if the implementation can. */
  terminate?(): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

export interface Platform {
  readonly WebSocket?: WebSocketConstructor;
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/**
 * Returns the WebSocket of a browser, or that of `ws` in Node.
 *
 * Node has its own WebSocket from version 22 on. It does not report why a connection failed, and cannot end one without
 * a handshake.
 */
export async function platformWebSocket({
  WebSocket: own,
  process,
}: Platform = globalThis): Promise<WebSocketConstructor> {
  if (own !== undefined && process?.versions?.node === undefined) return own;
  return (await import('ws')).WebSocket;
}
