import { join } from 'node:path';
import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { allTopics, topicNames } from '@bulk/contracts';
import { createKafka, kafkaConfigSchema } from '@bulk/kafka';
import {
  OWN_PARTS,
  partOf,
  processesWith,
  resetStack,
  stackPaths,
  startStack,
  type Environment,
  type ProcessName,
  type RunningStack,
} from '@bulk/local-stack';
import { entityKey, type Database } from '@bulk/mongo';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { BreakableLink, eventually, KafkaLeaders, type ModelEntity } from '@bulk/testing';
import { openDatabase } from '../../installation/database.ts';
import { serviceEnvironment } from '../../installation/environment.ts';
import { ServiceGroup } from '../../processes/service-group.ts';
import type { ServiceName } from '../../processes/services.ts';

export interface ChaosTargetOptions {
  /** Name of the stack, which is emptied first. */
  readonly name: string;
  /** Number of Kafka brokers. @default 1 */
  readonly brokers?: number;
  readonly instances: Partial<Record<ServiceName, number>>;
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** The parts of a target. */
interface TargetParts {
  readonly stack: RunningStack;
  readonly services: ServiceGroup;
  readonly database: Database;
  readonly links: ReadonlyMap<ProcessName, BreakableLink>;
  readonly leaders: KafkaLeaders | undefined;
  readonly postponed: () => Promise<number>;
}

/**
 * An installation of its own, with all its parts, for faults. Services reach Kafka, MongoDB and
 * Redis through links; the checks do not.
 */
export class ChaosTarget {
  readonly stack: RunningStack;
  readonly services: ServiceGroup;
  readonly database: Database;
  /** The link through which services reach each part, and each of several brokers. */
  readonly links: ReadonlyMap<ProcessName, BreakableLink>;
  /** The leaders of the partitions; `undefined` if there is one broker. */
  readonly leaders: KafkaLeaders | undefined;
  /** Returns the number of batches that were put into retry topics so far. */
  readonly postponed: () => Promise<number>;
  readonly #close: readonly (() => Promise<void>)[];

  private constructor(parts: TargetParts, close: readonly (() => Promise<void>)[]) {
    this.stack = parts.stack;
    this.services = parts.services;
    this.database = parts.database;
    this.links = parts.links;
    this.leaders = parts.leaders;
    this.postponed = parts.postponed;
    this.#close = close;
  }

  /** Starts everything. If it fails, nothing is left. */
  static async start({
    name,
    brokers = 1,
    instances,
    log,
    signal,
  }: ChaosTargetOptions): Promise<ChaosTarget> {
    const close: (() => Promise<void>)[] = [];
    try {
      await resetStack(name);
      // The stack is private, whatever the surrounding run uses, so that the chaos may halt every
      // part. What MongoDB has acknowledged survives a kill.
      const stack = await startStack({
        name,
        brokers,
        env: { ...process.env, ...OWN_PARTS, STACK_MONGO_DURABLE: 'true' },
        ...(log === undefined ? {} : { log }),
        ...(signal === undefined ? {} : { signal }),
      });
      close.push(async () => {
        await stack.stop();
        await resetStack(name);
      });
      const mongo = await linkTo(stack.urls.mongodbUri, close);
      const redis = await linkTo(stack.urls.redisUrl, close);
      const kafka = await BreakableLink.toBrokers(stack.urls.kafkaBrokers);
      close.push(async () => {
        await Promise.all(kafka.map((link) => link.close()));
      });
      const direct = { ...serviceEnvironment({}, stack.urls), ...SETTINGS };
      const database = await openDatabase('chaos', { ...direct, MONGODB_TIMEOUT_MS: CHECK_TIMEOUT_MS });
      close.push(() => database.close());
      const services = await ServiceGroup.start({
        env: {
          PATH: process.env['PATH'],
          ...direct,
          MONGODB_URI: mongo.url,
          REDIS_URL: redis.url,
          KAFKA_BROKERS: kafka.map(({ port }) => `127.0.0.1:${port}`).join(','),
        },
        mode: 'built',
        instances,
        output: (instance) => ({
          kind: 'file',
          path: join(stackPaths(name).root, 'services', `${instance}.log`),
        }),
        readyTimeoutMs: 120_000,
        signal,
      });
      close.push(() => services.stop());
      const links = new Map<ProcessName, BreakableLink>([
        ['mongo', mongo.link],
        ['redis', redis.link],
      ]);
      const names = processesWith(brokers).filter((each) => partOf(each) === 'kafka');
      for (const [i, link] of kafka.entries()) links.set(names[i] ?? 'kafka', link);
      const topics = await watchTopics(direct, brokers, close);
      return new ChaosTarget({ stack, services, database, links, ...topics }, close);
    } catch (error) {
      await closeAll(close);
      throw error;
    }
  }

  /** One client of an account for each intake. */
  clients(accountId: string): BulkClient[] {
    const { services } = this;
    return services.members
      .filter(({ name }) => /^intake(-\d+)?$/.test(name))
      .map(
        ({ name }) =>
          new BulkClient({
            baseUrl: services.urlOf(name),
            websocketUrl: services.notifierUrl,
            accountId,
          }),
      );
  }

  /** Reads the contacts of an account whose ids start with `mark`, including tombstones. */
  async contacts(accountId: string, mark: string): Promise<Map<string, ModelEntity>> {
    const from = entityKey(accountId, mark);
    const documents = await this.database
      .entities(contact.collection)
      .find({ _id: { $gte: `${from}-`, $lt: `${from}-\uffff` } })
      .toArray();
    const own = new Set(Object.keys(contact.recordSchema.shape));
    return new Map(
      documents.map((document) => [
        document.id,
        {
          version: document.version,
          fields:
            document.deletedAt === undefined
              ? Object.fromEntries(Object.entries(document).filter(([field]) => own.has(field)))
              : null,
        },
      ]),
    );
  }

  close(): Promise<void> {
    return closeAll([...this.#close]);
  }
}

/**
 * Short sessions, leases and time-outs, so that faults are noticed and work is taken over within
 * seconds.
 */
const SETTINGS = {
  MONGODB_DATABASE: 'chaos',
  TOPIC_PREFIX: 'chaos.',
  KAFKA_LANE_PARTITIONS: '3',
  KAFKA_RESULTS_PARTITIONS: '3',
  KAFKA_SESSION_TIMEOUT_MS: '6000',
  KAFKA_HEARTBEAT_INTERVAL_MS: '500',
  COMMIT_INTERVAL_MS: '100',
  DISPATCH_LEASE_MS: '3000',
  DISPATCH_RETRY_DELAY_MS: '500',
  // Shorter than many faults, so that a try fails within them and its batch goes to a retry topic.
  MONGODB_TIMEOUT_MS: '2000',
  KAFKA_REQUEST_TIMEOUT_MS: '5000',
  REDIS_TIMEOUT_MS: '2000',
  READINESS_PROBE_INTERVAL_MS: '500',
  BATCH_SIZE: '20',
  RETRY_IN_PLACE_MS: '500',
  RETRY_TIERS_MS: '500,1000,2000',
};

/** Time-out of the checks, which read everything and break nothing, in ms. */
const CHECK_TIMEOUT_MS = '60000';

async function watchTopics(
  env: Environment,
  brokers: number,
  close: (() => Promise<void>)[],
): Promise<Pick<TargetParts, 'leaders' | 'postponed'>> {
  const config = loadConfig(kafkaConfigSchema, env);
  const topics = topicNames(config.TOPIC_PREFIX);
  const kafka = createKafka('chaos', config, silentLogger());
  const admin = kafka.admin();
  await admin.connect();
  close.push(() => admin.disconnect());
  const leaders = brokers > 1 ? await KafkaLeaders.of(kafka, allTopics(topics)) : undefined;
  if (leaders !== undefined) close.push(() => leaders.close());
  const postponed = async (): Promise<number> => {
    // A leader that has just moved is not found at once.
    const ends = await eventually(
      'the ends of the retry topics',
      () => Promise.all(Object.values(topics.retries).map((topic) => admin.fetchTopicOffsets(topic))),
      { timeoutMs: 60_000 },
    );
    return ends.flat().reduce((sum, { high }) => sum + Number(high), 0);
  };
  return { leaders, postponed };
}

async function linkTo(
  url: string,
  close: (() => Promise<void>)[],
): Promise<{ link: BreakableLink; url: string }> {
  const { hostname, port } = new URL(url);
  const link = await BreakableLink.to(hostname, Number(port));
  close.push(() => link.close());
  const through = new URL(url);
  through.port = String(link.port);
  return { link, url: through.href };
}

async function closeAll(steps: (() => Promise<void>)[]): Promise<void> {
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) await step();
}
