import { secretOf } from '@bulk/runtime';
import { MongoClient, type Collection, type Db, type Document, type MongoClientOptions } from 'mongodb';
import { databaseNameOf, type MongoConfig } from './config.ts';
import type {
  AccountQuotaDocument,
  ActionDocument,
  ActionLogDocument,
  ColumnMappingsDocument,
  DeadLetterMarkDocument,
  DispatchLaneDocument,
  EntityDocument,
  StagedBatchDocument,
} from './documents.ts';
import { endUnfinishedWrites } from './driver-patches/unfinished-writes.ts';

/** Returns the TLS and credential options that the connection string does not contain. */
function accessOf(config: MongoConfig): MongoClientOptions {
  const { MONGODB_USERNAME: username, MONGODB_TLS_CA_FILE: ca } = config;
  const password = secretOf(config, 'MONGODB_PASSWORD');
  return {
    ...(config.MONGODB_TLS ? { tls: true } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(username === undefined || password === undefined ? {} : { auth: { username, password } }),
  };
}

/** The collections of an installation. */
export class Database {
  readonly db: Db;
  readonly actions: Collection<ActionDocument>;
  readonly stagedBatches: Collection<StagedBatchDocument>;
  readonly actionLogs: Collection<ActionLogDocument>;
  readonly dispatchLanes: Collection<DispatchLaneDocument>;
  readonly accountQuotas: Collection<AccountQuotaDocument>;
  readonly columnMappings: Collection<ColumnMappingsDocument>;
  readonly deadLetterMarks: Collection<DeadLetterMarkDocument>;
  readonly #client: MongoClient;

  private constructor(client: MongoClient, db: Db) {
    this.#client = client;
    this.db = db;
    this.actions = db.collection('actions');
    this.stagedBatches = db.collection('staged_batches');
    this.actionLogs = db.collection('action_logs');
    this.dispatchLanes = db.collection('dispatch_lanes');
    this.accountQuotas = db.collection('account_quotas');
    this.columnMappings = db.collection('column_mappings');
    this.deadLetterMarks = db.collection('dead_letter_marks');
  }

  /**
   * Connects to MongoDB and checks that it answers. Writes are acknowledged by a majority, so that confirmed writes
   * survive a failover.
   *
   * @param onCommand gets each command as it is sent.
   * @throws the driver's MongoServerSelectionError if no server answers in time.
   */
  static connect(
    appName: string,
    config: MongoConfig,
    onCommand?: (command: Document) => void,
  ): Promise<Database> {
    const { MONGODB_POOL_SIZE: maxPoolSize, MONGODB_TIMEOUT_MS: socketTimeoutMS } = config;
    return Database.#connect(appName, config, { maxPoolSize, socketTimeoutMS }, onCommand);
  }

  /**
   * Connects with one connection that waits for as long as an index may take to be built. MongoDB would continue a build
   * whose connection was given up, and nobody would know when it ends.
   *
   * @throws as `connect` does.
   */
  static connectForIndexes(appName: string, config: MongoConfig): Promise<Database> {
    return Database.#connect(appName, config, {
      maxPoolSize: 1,
      socketTimeoutMS: config.MONGODB_INDEX_TIMEOUT_MS,
    });
  }

  /**
   * Connects for reads that MongoDB may take long to answer. On the connections of `connect` they would fail first.
   *
   * @param reads.timeoutMs maximum time that MongoDB takes for one read.
   * @param reads.atOnce maximum number of reads at once, each of which has a connection.
   * @throws as `connect` does.
   */
  static connectForReads(
    appName: string,
    config: MongoConfig,
    { timeoutMs, atOnce }: { readonly timeoutMs: number; readonly atOnce: number },
  ): Promise<Database> {
    return Database.#connect(appName, config, {
      maxPoolSize: atOnce,
      // MongoDB ends the read in time, and its answer says why.
      socketTimeoutMS: timeoutMs + config.MONGODB_TIMEOUT_MS,
    });
  }

  static async #connect(
    appName: string,
    config: MongoConfig,
    options: Pick<MongoClientOptions, 'maxPoolSize' | 'socketTimeoutMS'>,
    onCommand?: (command: Document) => void,
  ): Promise<Database> {
    endUnfinishedWrites();
    const client = new MongoClient(config.MONGODB_URI, {
      appName,
      serverSelectionTimeoutMS: config.MONGODB_TIMEOUT_MS,
      connectTimeoutMS: config.MONGODB_TIMEOUT_MS,
      waitQueueTimeoutMS: config.MONGODB_TIMEOUT_MS,
      writeConcern: { w: 'majority' },
      ignoreUndefined: true,
      monitorCommands: onCommand !== undefined,
      ...options,
      ...accessOf(config),
    });
    if (onCommand !== undefined) client.on('commandStarted', ({ command }) => onCommand(command));
    try {
      await client.connect();
      const db = client.db(databaseNameOf(config));
      const database = new Database(client, db);
      await database.ping();
      return database;
    } catch (error) {
      await client.close().catch(() => undefined);
      throw error;
    }
  }

  /** Returns the collection of the entities of one type. */
  entities(collection: string): Collection<EntityDocument> {
    return this.db.collection(collection);
  }

  /** Checks that MongoDB answers. @throws the driver's error if it does not. */
  async ping(): Promise<void> {
    await this.db.command({ ping: 1 });
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
