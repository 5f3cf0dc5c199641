import type { ActionProgress, BatchResult } from '@bulk/contracts';
import { ensureIndexes, type ActionDocument } from '@bulk/mongo';
import { loadConfig } from '@bulk/runtime';
import {
  acceptedAction,
  eventually,
  harnessParts,
  ServiceHarness,
  type HarnessParts,
  type InProcessService,
  type TopicReader,
} from '@bulk/testing';
import { statsAggregatorConfigSchema } from '../src/config.ts';
import { startStatsAggregator, statsAggregatorGroup } from '../src/container.ts';

/**
 * Runs stats-aggregator in this process, on an installation of its own, and simulates the other
 * services.
 */
export class AggregatorHarness extends ServiceHarness {
  readonly progress: TopicReader;
  readonly deadLetters: TopicReader;

  private constructor(parts: HarnessParts<'progress' | 'deadLetters'>) {
    super(parts);
    this.progress = parts.readers.progress;
    this.deadLetters = parts.readers.deadLetters;
  }

  static async create(): Promise<AggregatorHarness> {
    const variables = {
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_HEARTBEAT_INTERVAL_MS: '500',
      RETRY_INITIAL_DELAY_MS: '5',
      RETRY_MAX_DELAY_MS: '50',
      COMMIT_INTERVAL_MS: '50',
      CHUNK_SIZE: '5',
    };
    const parts = await harnessParts('aggregator', variables, ({ progress, deadLetters }) => ({
      progress: [progress],
      deadLetters: [deadLetters],
    }));
    await ensureIndexes(parts.clients.database, []);
    return new AggregatorHarness(parts);
  }

  /** Starts one more instance. @param extra further environment variables. */
  async start(extra: Readonly<Record<string, string>> = {}): Promise<InProcessService> {
    const service = this.instance();
    this.adminPort = await startStatsAggregator(
      loadConfig(statsAggregatorConfigSchema, { ...this.installation.env, ...extra }),
      service.context,
    );
    return service;
  }

  /** Resets the group to the start of the topic, as after a loss of all commits. */
  async rewind(): Promise<void> {
    const admin = this.installation.kafka.admin();
    await admin.connect();
    await admin.resetOffsets({
      groupId: statsAggregatorGroup(this.installation.env['TOPIC_PREFIX']!),
      topic: this.installation.topics.results,
      earliest: true,
    });
    await admin.disconnect();
  }

  async givenAction(actionId: string, total: number, more: Partial<ActionDocument> = {}): Promise<void> {
    const dispatch = { nextBatch: 0, done: true, lease: null };
    await this.database.actions.insertOne(
      acceptedAction({ _id: actionId, total, batchCount: Math.ceil(total / 10), dispatch, ...more }),
    );
  }

  /**
   * Builds the result of a batch of ten positions: every third is a failure, every seventh is
   * skipped.
   */
  result(actionId: string, batchNo: number, more: Partial<BatchResult> = {}): BatchResult {
    const positions = Array.from({ length: 10 }, (_, i) => batchNo * 10 + i);
    return {
      resultId: `${actionId}:${batchNo}`,
      actionId,
      accountId: 'acme',
      actionType: 'update',
      entityType: 'contact',
      batchNo,
      generation: 0,
      source: {
        topic: this.installation.topics.entityBatches.normal,
        partition: batchNo % 3,
        offset: batchNo,
      },
      outcomes: positions.map((position) => ({
        position,
        entityId: `e${position}`,
        ref: null,
        ...outcomeAt(position),
        attempts: 1,
        effect: null,
        version: null,
        changes: null,
      })),
      processedAt: 1_700_000_000_000,
      ...more,
    };
  }

  async publish(...results: readonly BatchResult[]): Promise<void> {
    await this.producer.send(
      this.installation.topics.results,
      results.map((value) => ({ key: value.actionId, value })),
    );
  }

  /** Returns every progress event of an action so far. */
  progressOf(actionId: string): Promise<ActionProgress[]> {
    return this.progressIn(this.progress, actionId);
  }

  awaitStatus(actionId: string, status: string): Promise<ActionDocument> {
    return eventually(`action is ${status}`, async () => {
      const action = await this.database.actions.findOne({ _id: actionId });
      return action?.status === status ? action : undefined;
    });
  }
}

function outcomeAt(position: number): Pick<BatchResult['outcomes'][number], 'status' | 'code' | 'message'> {
  if (position % 3 === 0)
    return { status: 'failure', code: 'ENTITY_NOT_FOUND', message: 'no contact has this id' };
  if (position % 7 === 0) return { status: 'skipped', code: 'DUPLICATE_ENTITY', message: 'the same entity' };
  return { status: 'success', code: null, message: null };
}
