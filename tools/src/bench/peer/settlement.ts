import type { Outcome } from '@bulk/domain';
import type { Redis } from 'ioredis';
import type { LogMode } from './config.ts';
import { progressChannel, viewOf, type PeerAction, type PeerJob, type PeerLogLine } from './documents.ts';
import { report, type PeerCollections } from './parts.ts';

/** Logs the outcomes of a batch, then counts them, then publishes the action's progress. */
export class Settlement {
  readonly #collections: PeerCollections;
  readonly #redis: Redis;
  readonly #channel: string;
  readonly #logMode: LogMode;

  constructor(collections: PeerCollections, redis: Redis, options: { prefix: string; logMode: LogMode }) {
    this.#collections = collections;
    this.#redis = redis;
    this.#channel = progressChannel(options.prefix);
    this.#logMode = options.logMode;
  }

  async settle(job: PeerJob, outcomes: readonly Outcome[], attempts: number): Promise<void> {
    const now = new Date();
    const counts = { success: 0, failure: 0, skipped: 0 };
    for (const { status } of outcomes) counts[status] += 1;
    await this.#log(job, outcomes, { attempts, counts, now });
    const action = await this.#collections.actions.findOneAndUpdate(
      { _id: job.actionId },
      {
        $inc: {
          'stats.processed': outcomes.length,
          'stats.success': counts.success,
          'stats.failure': counts.failure,
          'stats.skipped': counts.skipped,
        },
        $set: { status: 'processing', updatedAt: now },
      },
      { returnDocument: 'after' },
    );
    if (action === null) return;
    this.#publish(action.stats.processed >= action.total ? await this.#complete(action) : action);
  }

  async #complete(action: PeerAction): Promise<PeerAction> {
    const completedAt = new Date();
    const end = { status: 'completed', completedAt, updatedAt: completedAt } as const;
    await this.#collections.actions.updateOne({ _id: action._id }, { $set: end });
    return { ...action, ...end };
  }

  async #log(
    { actionId, batchNo, firstPosition, entities }: PeerJob,
    outcomes: readonly Outcome[],
    context: { attempts: number; counts: Record<Outcome['status'], number>; now: Date },
  ): Promise<void> {
    const { attempts, counts, now: at } = context;
    const lines = outcomes.map(({ status, code, message }, i): PeerLogLine => ({
      position: firstPosition + i,
      entityId: entities[i]?.id ?? '',
      status,
      code,
      message,
      attempts,
    }));
    if (this.#logMode === 'batch') {
      await this.#collections.batchLogs.insertOne({ actionId, batchNo, counts, outcomes: lines, at });
      return;
    }
    await this.#collections.logs.insertMany(
      lines.map((line) => ({ actionId, ...line, at })),
      { ordered: false },
    );
  }

  /** Progress is a hint, because MongoDB has the truth. So a lost message must not fail a job. */
  #publish(action: PeerAction): void {
    this.#redis
      .publish(this.#channel, JSON.stringify(viewOf(action)))
      .catch((error: unknown) => report('publish', error));
  }
}
