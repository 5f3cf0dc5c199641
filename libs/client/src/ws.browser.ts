import type { Platform } from './web-socket.ts';

const platform: Platform = globalThis;

/** The browser's WebSocket. The build for browsers imports it in place of the package `ws`. */
export const WebSocket = platform.WebSocket;
