import { describe, expect, it } from '@jest/globals';
import { WebSocket as OfWs } from 'ws';
import { platformWebSocket, type WebSocketConstructor } from './web-socket.ts';

const Own = EventTarget as unknown as WebSocketConstructor;

describe('the WebSocket of the client', () => {
  it("is the browser's own WebSocket in a browser", async () => {
    expect(await platformWebSocket({ WebSocket: Own })).toBe(Own);
  });

  it('is the one of ws in Node, even if Node has its own', async () => {
    const process = { versions: { node: '24.21.0' } };
    expect(await platformWebSocket({ WebSocket: Own, process })).toBe(OfWs);
    expect(await platformWebSocket({ process })).toBe(OfWs);
    expect(await platformWebSocket()).toBe(OfWs);
  });
});
