import type { Database } from './database.ts';
import { DUPLICATE_KEY, stored, StoreError } from './errors.ts';
import { MongoServerError } from 'mongodb';

/** Collection `installation`, documents of topics: the topics that the offsets in all other collections refer to. */
interface TopicRecord {
  /** `topic:` and the name. */
  readonly _id: string;
  readonly topicId: string;
  readonly recordedAt: Date;
}

/**
 * Records the ids of topics that have none recorded yet, and returns the recorded ids of all of them. Every service may
 * call it at the same time: the first record stays.
 *
 * @throws StoreError.
 */
export async function recordTopicIds(
  database: Database,
  ids: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const records = database.db.collection<TopicRecord>('installation');
  const recorded = new Map<string, string>();
  for (const [topic, topicId] of ids) {
    const _id = `topic:${topic}`;
    try {
      await stored(
        records.updateOne({ _id }, { $setOnInsert: { topicId, recordedAt: new Date() } }, { upsert: true }),
      );
    } catch (error) {
      // Another service records the same topic at the same time.
      const cause = error instanceof StoreError ? error.cause : undefined;
      if (!(cause instanceof MongoServerError) || cause.code !== DUPLICATE_KEY) throw error;
    }
    const record = await stored(records.findOne({ _id }));
    if (record !== null) recorded.set(topic, record.topicId);
  }
  return recorded;
}
