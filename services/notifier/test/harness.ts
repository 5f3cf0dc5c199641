import { randomUUID } from 'node:crypto';
import {
  serverFrameSchema,
  WEBSOCKET_ERROR_CODES,
  type ActionProgress,
  type ActionUpdate,
  type ServerFrame,
} from '@bulk/contracts';
import type { ActionDocument } from '@bulk/mongo';
import { loadConfig } from '@bulk/runtime';
import {
  acceptedAction,
  eventually,
  harnessParts,
  ServiceHarness,
  type InProcessService,
} from '@bulk/testing';
import { WebSocket, type ClientOptions } from 'ws';
import { notifierConfigSchema } from '../src/config.ts';
import { startNotifier } from '../src/container.ts';

export const ACCOUNT = 'acme';

export interface RunningNotifier extends InProcessService {
  readonly port: number;
  readonly adminPort: number;
  readonly url: string;
}

/**
 * Runs notifiers in this process, on an installation of their own, and writes what the other
 * services would write.
 */
export class NotifierHarness extends ServiceHarness {
  static async create(): Promise<NotifierHarness> {
    const variables = {
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_HEARTBEAT_INTERVAL_MS: '200',
      PROGRESS_HZ: '50',
      // So long that no test depends on it, unless the test sets it.
      RESYNC_MS: '600000',
      // So short and so large that they concern only tests that set them.
      SNAPSHOT_INTERVAL_MS: '10',
      WS_RATE_LIMIT_MAX: '10000000',
      WS_RATE_LIMIT_UNNAMED_MAX: '10000000',
      PORT: '0',
    };
    return new NotifierHarness(await harnessParts('notifier', variables, () => ({})));
  }

  /**
   * Starts a notifier, and stops it at `dispose` at the latest. `env` extends the installation's
   * variables.
   */
  async start(env: Readonly<Record<string, string>> = {}): Promise<RunningNotifier> {
    const service = this.instance();
    const config = loadConfig(notifierConfigSchema, { ...this.installation.env, ...env });
    const { port, adminPort } = await startNotifier(config, service.context);
    return { ...service, port, adminPort, url: `ws://127.0.0.1:${port}/` };
  }

  async connect(
    { url }: Pick<RunningNotifier, 'url'>,
    account: string | null = ACCOUNT,
  ): Promise<TestClient> {
    const headers = account === null ? {} : { 'x-account-id': account };
    const client = await TestClient.connect(url, { headers });
    this.installation.onDispose(() => {
      client.socket.terminate();
      return Promise.resolve();
    });
    return client;
  }

  /** Stores an action as intake and stats-aggregator would. @returns its id. */
  async givenAction(state: Partial<ActionDocument> = {}): Promise<string> {
    const actionId = state._id ?? randomUUID();
    const at = new Date();
    const shown = { accountId: ACCOUNT, status: 'processing', version: 1, startedAt: at } as const;
    await this.database.actions.insertOne(
      acceptedAction({ _id: actionId, total: 1_000, batchCount: 10, ...shown, ...state }, at),
    );
    return actionId;
  }

  /** Publishes states in this order, each on the given partition, else on that of its action. */
  async publish(...states: readonly (Partial<ActionProgress> & { partition?: number })[]): Promise<void> {
    await this.producer.send(
      this.installation.topics.progress,
      states.map(({ partition, ...state }) => {
        const value = progress(state);
        return { key: value.actionId, value, ...(partition === undefined ? {} : { partition }) };
      }),
    );
  }

  /** Returns the consumer groups of this installation's notifiers that the broker knows. */
  async groups(): Promise<string[]> {
    const admin = this.installation.kafka.admin();
    await admin.connect();
    try {
      const { groups } = await admin.listGroups();
      const prefix = `${this.installation.env['TOPIC_PREFIX']!}notifier-`;
      return groups.map(({ groupId }) => groupId).filter((groupId) => groupId.startsWith(prefix));
    } finally {
      await admin.disconnect();
    }
  }
}

export function progress(state: Partial<ActionProgress>): ActionProgress {
  return {
    actionId: randomUUID(),
    accountId: ACCOUNT,
    actionType: 'update',
    entityType: 'contact',
    version: 2,
    status: 'processing',
    total: 1_000,
    success: 0,
    failure: 0,
    skipped: 0,
    startedAt: Date.now() - 1_000,
    finishedAt: null,
    updatedAt: Date.now(),
    pausedMs: 0,
    ...state,
  };
}

/** A client that keeps every frame and checks it against the contract. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  /** Length of all frames, in bytes. */
  bytes = 0;
  /** How the connection was closed, once it is. */
  closed: { code: number; reason: string } | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data, isBinary) => {
      if (isBinary) throw new Error('expected text frames only');
      const text = (data as Buffer).toString();
      const frame = serverFrameSchema.parse(JSON.parse(text));
      if (frame.event === 'error' && !Object.hasOwn(WEBSOCKET_ERROR_CODES, frame.data.code))
        throw new Error(`expected a code of the list, not ${frame.data.code}`);
      this.bytes += text.length;
      this.frames.push(frame);
    });
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
  }

  static async connect(url: string, options: ClientOptions = {}): Promise<TestClient> {
    const client = new TestClient(new WebSocket(url, options));
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  send(event: string, data?: unknown): void {
    this.socket.send(JSON.stringify({ event, data }));
  }

  /** Subscribes, and waits for the first snapshot. */
  async subscribe(actionId: string): Promise<ActionUpdate> {
    const before = this.updatesOf(actionId).length;
    this.send('subscribe', actionId);
    return eventually('the snapshot', () => this.updatesOf(actionId)[before]);
  }

  /** Subscribes to the account, and waits for the answer. @returns its `at`. */
  async subscribeAccount(since?: string): Promise<string> {
    const answers = (): string[] =>
      this.frames.flatMap((frame) => (frame.event === 'subscribedAccount' ? [frame.data.at] : []));
    const before = answers().length;
    this.send('subscribeAccount', since === undefined ? undefined : { since });
    return eventually('the answer', () => answers()[before]);
  }

  /** Returns all updates so far, as `id version`. */
  updates(): string[] {
    return this.frames.flatMap((frame) =>
      frame.event === 'actionUpdate' ? [`${frame.data.actionId} ${frame.data.version}`] : [],
    );
  }

  updatesOf(actionId: string): ActionUpdate[] {
    return this.frames.flatMap((frame) =>
      frame.event === 'actionUpdate' && frame.data.actionId === actionId ? [frame.data] : [],
    );
  }

  versionsOf(actionId: string): number[] {
    return this.updatesOf(actionId).map(({ version }) => version);
  }

  errors(): { code: string; message: string; details?: unknown }[] {
    return this.frames.flatMap((frame) => (frame.event === 'error' ? [frame.data] : []));
  }

  awaitVersion(actionId: string, version: number): Promise<ActionUpdate> {
    return eventually(`version ${version}`, () => {
      const last = this.updatesOf(actionId).at(-1);
      return last !== undefined && last.version >= version ? last : undefined;
    });
  }

  /** Returns the events of all frames so far. */
  events(): string[] {
    return this.frames.map(({ event }) => event);
  }

  /**
   * Waits for the answers to earlier frames: an unsubscribe without a subscription is answered in
   * order.
   */
  async settle(): Promise<void> {
    const marker = randomUUID();
    this.send('unsubscribe', marker);
    await eventually('the answers', () =>
      this.frames.some((frame) => frame.event === 'unsubscribed' && frame.data === marker),
    );
  }

  awaitClose(): Promise<{ code: number; reason: string }> {
    return eventually('the close', () => this.closed);
  }
}
