import { describe, expect, it } from '@jest/globals';
import { WebSocket as OfWs } from 'ws';
import { platformWebSocket, type WebSocketConstructor } from './web-socket.ts';

const Own = EventTarget as unknown as WebSocketConstructor;

describe('the WebSocket of the client', () => {
  it('is the one of a browser where there is one', async () => {
    expect(await platformWebSocket({ WebSocket: Own })).toBe(Own);
  });

  it('is the one of ws in Node, also where Node has one of its own', async () => {
    const process = { versions: { node: '24.21.0' } };
    expect(await platformWebSocket({ WebSocket: Own, process })).toBe(OfWs);
    expect(await platformWebSocket({ process })).toBe(OfWs);
    expect(await platformWebSocket()).toBe(OfWs);
  });
});
