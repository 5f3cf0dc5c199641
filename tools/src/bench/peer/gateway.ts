import type { Server } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { peerFrameSchema, peerViewSchema, progressChannel, viewOf, type PeerView } from './documents.ts';
import { report, type PeerParts } from './parts.ts';

/** A subscriber with more than this unsent gets no progress but the last. */
const MAX_UNSENT_BYTES = 1_048_576;
const MAX_PAYLOAD_BYTES = 65_536;

interface Follower {
  readonly socket: WebSocket;
  readonly accountId: string;
  processed: number;
  final: boolean;
}

/** Starts the WebSocket gateway: a subscriber gets a snapshot, then each change, in order. */
export async function startGateway(server: Server, parts: PeerParts): Promise<void> {
  const { config, actions, connectRedis, releasers } = parts;
  const followers = new Map<string, Set<Follower>>();
  const gateway = new WebSocketServer({ server, maxPayload: MAX_PAYLOAD_BYTES });
  const subscriber = await connectRedis();
  subscriber.on('message', (_channel: string, message: string) => {
    const view = peerViewSchema.parse(JSON.parse(message));
    for (const follower of followers.get(view.actionId) ?? []) forward(follower, view);
  });
  await subscriber.subscribe(progressChannel(config.REDIS_PREFIX));
  releasers.push('gateway', () => {
    for (const socket of gateway.clients) socket.terminate();
  });

  gateway.on('connection', (socket, request) => {
    const accountId = request.headers['x-account-id'];
    if (typeof accountId !== 'string') {
      socket.terminate();
      return;
    }
    const mine = new Map<string, Follower>();
    socket.on('error', (error) => report('websocket', error));
    socket.on('close', () => {
      for (const [actionId, follower] of mine) leave(followers, actionId, follower);
    });
    const subscribe = async (text: string): Promise<void> => {
      const actionId = z.string().parse(peerFrameSchema.parse(JSON.parse(text)).data);
      // Listening starts before the snapshot is read, so that no change falls between.
      const follower: Follower = { socket, accountId, processed: -1, final: false };
      mine.set(actionId, follower);
      const others = followers.get(actionId) ?? new Set();
      followers.set(actionId, others.add(follower));
      const action = await actions.findOne({ _id: actionId, accountId });
      if (action === null) throw new Error('no action has this id');
      forward(follower, viewOf(action));
    };
    socket.on('message', (data: Buffer) => {
      subscribe(data.toString('utf8')).catch((error: unknown) => {
        send(socket, 'error', error instanceof Error ? error.message : String(error));
      });
    });
  });
}

function leave(followers: Map<string, Set<Follower>>, actionId: string, follower: Follower): void {
  const others = followers.get(actionId);
  others?.delete(follower);
  if (others?.size === 0) followers.delete(actionId);
}

/** Sends a state unless it is old, foreign or too much for the connection. */
function forward(follower: Follower, view: PeerView): void {
  const final = view.status === 'completed' || view.status === 'failed';
  if (view.accountId !== follower.accountId || follower.final) return;
  if (!final && view.processed <= follower.processed) return;
  if (!final && follower.socket.bufferedAmount > MAX_UNSENT_BYTES) return;
  follower.processed = view.processed;
  follower.final = final;
  send(follower.socket, 'actionUpdate', view);
}

function send(socket: WebSocket, event: string, data: unknown): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ event, data }));
}
