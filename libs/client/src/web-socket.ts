/** The part of a WebSocket that is used; a browser's and that of `ws` are ones. */
export interface WebSocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /** Ends it without a handshake, where the implementation can. */
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

/** The platform's own WebSocket; where there is none (Node 20), that of `ws`. */
export async function platformWebSocket(): Promise<WebSocketConstructor> {
  const own = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  return own ?? (await import('ws')).WebSocket;
}
