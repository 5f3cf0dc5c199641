import { MESSAGES, type EntityBatch } from '@bulk/contracts';
import { LANES, type Lane } from '@bulk/domain';
import { ensureIndexes, type ActionDocument, type Database } from '@bulk/mongo';
import { loadConfig, silentLogger } from '@bulk/runtime';
import {
  eventually,
  harnessParts,
  ServiceHarness,
  type HarnessParts,
  type InProcessService,
  type TopicReader,
} from '@bulk/testing';
import type { Admin } from 'kafkajs';
import { intakeConfigSchema, type IntakeConfig } from '../src/config.ts';
import { startIntake, type ContainerOptions } from '../src/container.ts';
import type { DirectDispatch } from '../src/dispatch/first-lease.ts';
import { StagingArea, type ActionDraft } from '../src/submission/staging-area.ts';

export const PARTITIONS = 3;
export const LATE_WRITE_MS = 30_000;

/** A batch as it came out of a lane. */
export interface PublishedBatch {
  readonly partition: number;
  readonly offset: number;
  readonly batch: EntityBatch;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    success: boolean;
    data?: Record<string, unknown>;
    error?: { code: string; message: string; details?: { field: string; message: string }[] };
    pagination?: Record<string, number>;
  };
}

/** Runs intake on an installation of its own, with readers of what it publishes. */
export class IntakeHarness extends ServiceHarness {
  readonly lanes: TopicReader;
  readonly submitted: TopicReader;
  readonly #admin: Admin;
  url = '';

  private constructor(parts: HarnessParts<'lanes' | 'submitted'>) {
    super(parts);
    this.lanes = parts.readers.lanes;
    this.submitted = parts.readers.submitted;
    this.#admin = parts.installation.kafka.admin();
  }

  static async create(): Promise<IntakeHarness> {
    const variables = {
      PORT: '0',
      KAFKA_LANE_PARTITIONS: String(PARTITIONS),
      BATCH_SIZE: '10',
      BODY_LIMIT_BYTES: '200000',
      MAX_ENTITIES: '1000',
      MAX_ENTITY_BYTES: '2000',
      DISPATCH_CRON: '* * * * * *',
      DISPATCH_LEASE_MS: '1000',
      // Nothing counts here, unless a test does.
      DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES: '10000',
      DISPATCH_IN_FLIGHT_LANE_BATCHES: '100000',
      DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES: '100000',
    };
    const parts = await harnessParts('intake', variables, ({ entityBatches, actions }) => ({
      lanes: LANES.map((lane) => entityBatches[lane]),
      submitted: [actions],
    }));
    const harness = new IntakeHarness(parts);
    await Promise.all([ensureIndexes(harness.database, []), harness.#admin.connect()]);
    parts.installation.onDispose(() => harness.#admin.disconnect());
    return harness;
  }

  config(extra: Readonly<Record<string, string>> = {}): IntakeConfig {
    return loadConfig(intakeConfigSchema, { ...this.installation.env, ...extra });
  }

  /**
   * Starts intake in this process. It stops at the end of the test file at the latest.
   *
   * @param options for example a producer of the test's own.
   */
  async start(
    extra: Readonly<Record<string, string>> = {},
    options: ContainerOptions = {},
  ): Promise<InProcessService> {
    const service = this.instance();
    const { port, adminPort } = await startIntake(this.config(extra), service.context, undefined, options);
    this.url = `http://127.0.0.1:${port}`;
    this.adminPort = adminPort;
    return service;
  }

  staging(
    now: () => Date = () => new Date(),
    database: Database = this.database,
    batchSize = 10,
    dispatch?: DirectDispatch,
    pulseMs = 10_000,
  ): StagingArea {
    return new StagingArea(
      database,
      {
        batchSize,
        partitions: PARTITIONS,
        groupBatches: 2,
        bufferBytes: 1_000_000,
        maxEntityBytes: 2_000,
        pulseMs,
        lateWriteMs: LATE_WRITE_MS,
        now,
      },
      silentLogger(),
      dispatch,
    );
  }

  /**
   * Creates an accepted action of `size` entities.
   *
   * @param dispatch takes the action at once. Without it the action is not dispatched yet.
   */
  accepted(
    actionId: string,
    size: number,
    scheduledFor: Date | null = null,
    {
      accountId = 'acme',
      lane = 'normal',
      batchSize = 10,
    }: { accountId?: string; lane?: Lane; batchSize?: number } = {},
    dispatch?: DirectDispatch,
  ): Promise<ActionDocument> {
    return this.staging(undefined, undefined, batchSize, dispatch).stage(
      { ...draftOf(actionId, { accountId, lane }), scheduledFor },
      entitiesOf(size),
    );
  }

  async get(
    path: string,
    headers: Readonly<Record<string, string>> = { 'x-account-id': 'acme' },
  ): Promise<Answer> {
    return answer(await fetch(`${this.url}${path}`, { headers }));
  }

  /** Sends a request without a body. */
  async send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = { 'x-account-id': 'acme' },
  ): Promise<Answer> {
    return answer(await fetch(`${this.url}${path}`, { method, headers }));
  }

  /** Sends a POST with any body. */
  async upload(
    path: string,
    body: string | Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const all = { 'x-account-id': 'acme', ...headers };
    return answer(
      await fetch(`${this.url}${path}`, {
        method: 'POST',
        headers: all,
        body: new Uint8Array(Buffer.from(body)),
      }),
    );
  }

  async post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return answer(
      await fetch(`${this.url}/bulk-actions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-account-id': 'acme', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    );
  }

  /** Returns the batches of an action in the lanes, in order of partition and offset. */
  async published(actionId: string): Promise<PublishedBatch[]> {
    const all = await Promise.all(
      this.lanes.messages.map(async ({ partition, offset, message }) => ({
        partition,
        offset,
        batch: await this.codec.decode(MESSAGES.entityBatch, message.value),
      })),
    );
    return all
      .filter(({ batch }) => batch.actionId === actionId)
      .sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  /** Waits until at least this number of batches of an action is published, and returns all of them. */
  awaitPublished(actionId: string, batches: number): Promise<PublishedBatch[]> {
    return eventually(`${batches} batches are published`, async () => {
      const all = await this.published(actionId);
      return all.length >= batches ? all : undefined;
    });
  }

  /**
   * Counts everything that is stored or published, once earlier accepted actions have been
   * dispatched.
   */
  async traces(): Promise<Record<string, number>> {
    await eventually('every accepted action is dispatched', async () => {
      const waiting = { status: { $ne: 'staging' as const }, scheduledFor: null, 'dispatch.done': false };
      return (await this.database.actions.countDocuments(waiting)) === 0;
    });
    const { actions, entityBatches } = this.installation.topics;
    const lanes = await Promise.all(LANES.map((lane) => this.#messagesIn(entityBatches[lane])));
    return {
      actions: await this.database.actions.countDocuments({}),
      staged: await this.database.stagedBatches.countDocuments({}),
      submitted: await this.#messagesIn(actions),
      batches: lanes.reduce((sum, n) => sum + n, 0),
    };
  }

  /** Returns the number of messages in a topic, by its offsets. */
  async #messagesIn(topic: string): Promise<number> {
    // A broker that is short of CPU loses its leadership for a moment.
    const offsets = await eventually('offsets', () => this.#admin.fetchTopicOffsets(topic));
    return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  }
}

/** Builds the draft of an action that is due at once. */
export function draftOf(
  actionId: string,
  { accountId = 'acme', lane = 'normal' }: { accountId?: string; lane?: Lane } = {},
): ActionDraft {
  const identity = { actionId, accountId, actionType: 'update', entityType: 'contact', lane };
  return { identity, config: {}, dryRun: false, scheduledFor: null, retryOf: null };
}

export function entitiesOf(size: number): { id: string; lastName: string }[] {
  return Array.from({ length: size }, (_, i) => ({ id: `c${i}`, lastName: `Name ${i}` }));
}

/** Returns the sorted positions of batches. */
export function positionsOf(published: readonly PublishedBatch[]): number[] {
  return published
    .flatMap(({ batch }) => batch.entities.map(({ position }) => position))
    .sort((a, b) => a - b);
}

async function answer(response: Response): Promise<Answer> {
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  };
}
