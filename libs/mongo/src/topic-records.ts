import type { Database } from './database.ts';
import { isDuplicateKey, stored } from './errors.ts';

/** Collection `installation`, documents of topics: the topics that the offsets in all other collections refer to. */
interface TopicRecord {
  /** `topic:` and the name. */
  readonly _id: string;
  readonly topicId: string;
  readonly recordedAt: Date;
  /**
   * Where the places of the topic's messages start: the place of a message is this number and its offset. Absent: 0.
   * Topics that replace others start beyond every place of those, so that fences and counts stay comparable.
   */
  readonly base?: number;
}

/** Collection `installation`, document `epoch`: how often the topics of the installation were replaced. */
interface EpochRecord {
  readonly _id: 'epoch';
  readonly number: number;
  /** Prefix of the topics with which it starts. */
  readonly prefix: string;
  /** Whether everything that belongs to the replacement is done. */
  readonly done: boolean;
  /** Prefix of the topics of the last replacement that is complete, to which the database belongs. */
  readonly owner?: string;
}

/** Places of an epoch in a partition. No topic ever has that many messages in a partition. */
export const EPOCH_PLACES = 2 ** 40;

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
      if (!isDuplicateKey(error)) throw error;
    }
    const record = await stored(records.findOne({ _id }));
    if (record !== null) recorded.set(topic, record.topicId);
  }
  return recorded;
}

/**
 * Returns where the places of these topics start, by topic. Topics that have replaced none start at 0.
 *
 * @throws StoreError.
 */
export async function readTopicBases(
  database: Database,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const found = await readRecords(database, topics);
  return new Map(topics.map((topic) => [topic, found.get(topic)?.base ?? 0]));
}

async function readRecords(database: Database, topics: readonly string[]): Promise<Map<string, TopicRecord>> {
  const records = database.db.collection<TopicRecord>('installation');
  const found = await stored(
    records.find({ _id: { $in: topics.map((topic) => `topic:${topic}`) } }).toArray(),
  );
  return new Map(found.map((record) => [record._id.slice('topic:'.length), record]));
}

/** The bases of the topics that a service uses, as they were when it last recorded the ids of these topics. */
export class TopicBases {
  readonly #database: Database;
  readonly #topics: readonly string[];
  #bases: ReadonlyMap<string, number> = new Map();

  constructor(database: Database, topics: readonly string[]) {
    this.#database = database;
    this.#topics = topics;
  }

  /**
   * Records the ids of topics at their first use and reads the bases that belong to them. A service that waits for its
   * topics to be replaced calls it again, so it must not keep an earlier base.
   *
   * @returns the recorded ids, as of `recordTopicIds`.
   * @throws StoreError.
   */
  async record(found: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    const recorded = await recordTopicIds(this.#database, found);
    this.#bases = await readTopicBases(this.#database, this.#topics);
    return recorded;
  }

  /** Returns where the places of a topic start; 0 before the first `record`, and for a topic that has replaced none. */
  of(topic: string): number {
    return this.#bases.get(topic) ?? 0;
  }
}

/** Returns the recorded ids of topics, without those that no service has used yet. @throws StoreError. */
export async function readTopicIds(
  database: Database,
  topics: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = await readRecords(database, topics);
  return new Map([...found].map(([topic, { topicId }]) => [topic, topicId]));
}

/**
 * Starts an epoch for topics that replace those of the installation: their places start beyond every place of the
 * former topics. A service that starts with other topics reports TOPIC_REPLACED from now on. It may be repeated until
 * `completeEpoch`. Call it only while no service runs.
 *
 * @param ids ids of the new topics.
 * @returns the number of the epoch.
 * @throws StoreError.
 */
export async function startEpoch(
  database: Database,
  prefix: string,
  ids: ReadonlyMap<string, string>,
): Promise<number> {
  const epochs = database.db.collection<EpochRecord>('installation');
  const records = database.db.collection<TopicRecord>('installation');
  const before = await stored(epochs.findOne({ _id: 'epoch' }));
  const resumed = before?.done === false && before.prefix === prefix;
  const number = resumed ? before.number : (before?.number ?? 0) + 1;
  await stored(
    epochs.updateOne({ _id: 'epoch' }, { $set: { number, prefix, done: false } }, { upsert: true }),
  );
  const base = number * EPOCH_PLACES;
  for (const [topic, topicId] of ids) {
    const record = { topicId, base, recordedAt: new Date() };
    await stored(records.updateOne({ _id: `topic:${topic}` }, { $set: record }, { upsert: true }));
  }
  const current = [...ids.keys()].map((topic) => `topic:${topic}`);
  await stored(
    records.updateMany(
      { _id: { $regex: /^topic:/, $nin: current } },
      { $set: { topicId: `replaced in epoch ${number}` } },
    ),
  );
  return number;
}

/** Returns the prefix of the topics of the last replacement that is complete; `undefined` if there is none. @throws StoreError. */
export async function readCompletedPrefix(database: Database): Promise<string | undefined> {
  const epochs = database.db.collection<EpochRecord>('installation');
  return (await stored(epochs.findOne({ _id: 'epoch', done: true })))?.prefix;
}

/** Returns the epoch that was started and is not complete; `undefined` if there is none. @throws StoreError. */
export async function readOpenEpoch(
  database: Database,
): Promise<{ readonly number: number; readonly prefix: string } | undefined> {
  const epochs = database.db.collection<EpochRecord>('installation');
  return (await stored(epochs.findOne({ _id: 'epoch', done: false }))) ?? undefined;
}

/**
 * Records that everything that belongs to the replacement of the topics is done. From now on the database belongs to
 * the installation with the prefix of the new topics.
 *
 * @throws StoreError.
 */
export async function completeEpoch(database: Database): Promise<void> {
  const epochs = database.db.collection<EpochRecord>('installation');
  const owner = (await readOpenEpoch(database))?.prefix;
  if (owner !== undefined) await stored(epochs.updateOne({ _id: 'epoch' }, { $set: { done: true, owner } }));
}
