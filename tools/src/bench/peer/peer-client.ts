import { once } from 'node:events';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { peerFrameSchema, peerViewSchema, type PeerEntity, type PeerView } from './documents.ts';

const acceptedSchema = z.object({ data: peerViewSchema });

/** A client of the peer, with one WebSocket for all its actions. */
export class PeerClient {
  readonly #url: string;
  readonly #accountId: string;
  readonly #socket: WebSocket;

  private constructor(url: string, accountId: string, socket: WebSocket) {
    this.#url = url;
    this.#accountId = accountId;
    this.#socket = socket;
  }

  static async connect(url: string, accountId: string): Promise<PeerClient> {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers: { 'x-account-id': accountId } });
    await once(socket, 'open');
    return new PeerClient(url, accountId, socket);
  }

  /** Runs an action to its completed frame. @throws Error if it fails, or takes longer than `timeoutMs`. */
  async run(actionType: string, entities: readonly PeerEntity[], timeoutMs: number): Promise<PeerView> {
    const response = await fetch(`${this.#url}/bulk-actions`, {
      method: 'POST',
      headers: { 'x-account-id': this.#accountId, 'content-type': 'application/json' },
      body: JSON.stringify({ actionType, entities }),
    });
    const text = await response.text();
    if (response.status !== 202) throw new Error(`the peer has refused an action: ${text}`);
    const { actionId } = acceptedSchema.parse(JSON.parse(text)).data;
    return this.#untilCompleted(actionId, timeoutMs);
  }

  #untilCompleted(actionId: string, timeoutMs: number): Promise<PeerView> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        socket.off('message', onMessage);
        socket.off('close', onClose);
        settle();
      };
      const fail = (reason: string): void =>
        end(() => reject(new Error(`peer, action ${actionId}: ${reason}`)));
      const onClose = (): void => fail('the gateway has closed the connection');
      const onMessage = (data: Buffer): void => {
        const { event, data: content } = peerFrameSchema.parse(JSON.parse(data.toString('utf8')));
        if (event !== 'actionUpdate') {
          fail(String(content));
          return;
        }
        const view = peerViewSchema.parse(content);
        if (view.actionId !== actionId) return;
        if (view.status === 'completed') end(() => resolve(view));
        if (view.status === 'failed') fail('it has failed');
      };
      const timer = setTimeout(() => fail(`not completed within ${timeoutMs} ms`), timeoutMs);
      socket.on('message', onMessage);
      socket.on('close', onClose);
      socket.send(JSON.stringify({ event: 'subscribe', data: actionId }));
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
