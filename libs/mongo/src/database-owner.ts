import { topicNames, topicsOf } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { Database } from './database.ts';
import { isDuplicateKey, stored } from './errors.ts';

/** Collection `installation`, document `owner`: whose database it is. */
interface OwnerRecord {
  readonly _id: 'owner';
  /** TOPIC_PREFIX of the first service. */
  readonly prefix: string;
}

/** What this file reads of a document of the collection. */
interface InstallationRecord {
  readonly _id: string;
  /** Of the documents `owner` and `epoch`. */
  readonly prefix?: string;
  /** Of the document `epoch`: whether the replacement of the topics is complete. */
  readonly done?: boolean;
  /** Of the document `epoch`: the prefix of the topics that have replaced others last. */
  readonly owner?: string;
}

/** Thrown when a process has the topics of one installation and the database of another. */
export class ForeignDatabaseError extends CodedError {
  constructor(database: string, owner: string, prefix: string) {
    super(
      'FOREIGN_DATABASE',
      `the database ${database} belongs to the installation with ${owner}, and this process has TOPIC_PREFIX=${prefix}: set TOPIC_PREFIX or MONGODB_DATABASE`,
    );
  }
}

/**
 * Checks that the database belongs to the installation with this prefix of topics. A database without an owner belongs
 * to the first one from now on. Every service may call it at the same time.
 *
 * @throws ForeignDatabaseError if it belongs to another one; StoreError.
 */
export async function claimDatabase(database: Database, prefix: string): Promise<void> {
  if ((await checkDatabaseOwner(database, prefix)) === 'owned') return;
  const owners = database.db.collection<OwnerRecord>('installation');
  try {
    await stored(owners.updateOne({ _id: 'owner' }, { $setOnInsert: { prefix } }, { upsert: true }));
  } catch (error) {
    // Another service claims it at the same time.
    if (!isDuplicateKey(error)) throw error;
  }
  await checkDatabaseOwner(database, prefix);
}

/**
 * Checks that the database belongs to the installation with this prefix of topics, or to none.
 *
 * @throws ForeignDatabaseError if it belongs to another one; StoreError.
 */
export async function checkDatabaseOwner(database: Database, prefix: string): Promise<'owned' | 'free'> {
  const records = database.db.collection<InstallationRecord>('installation');
  const found = await stored(records.find().toArray());
  const recordOf = (id: string): InstallationRecord | undefined => found.find(({ _id }) => _id === id);
  const epoch = recordOf('epoch');
  // A version that recorded no owner may have replaced the topics.
  const replaced = epoch?.owner ?? (epoch?.done === true ? epoch.prefix : undefined);
  const owner = replaced ?? recordOf('owner')?.prefix;
  if (owner === prefix) return 'owned';
  const { databaseName } = database.db;
  if (owner !== undefined) throw new ForeignDatabaseError(databaseName, `TOPIC_PREFIX=${owner}`, prefix);
  // A version that recorded no owner has recorded its topics.
  const topics = found.map(({ _id }) => _id).filter((id) => id.startsWith('topic:'));
  const own = new Set(topicsOf(topicNames(prefix)).map(({ name }) => `topic:${name}`));
  const [other] = topics;
  if (other !== undefined && !topics.some((topic) => own.has(topic)))
    throw new ForeignDatabaseError(databaseName, `the topic ${other.slice('topic:'.length)}`, prefix);
  return 'free';
}
