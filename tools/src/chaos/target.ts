import { join } from 'node:path';
import { contact } from '@bulk/actions';
import { BulkClient } from '@bulk/client';
import { OWN_PARTS, resetStack, stackPaths, startStack, type RunningStack } from '@bulk/local-stack';
import { entityKey, type Database } from '@bulk/mongo';
import { BreakableLink, type ModelEntity } from '@bulk/testing';
import { openDatabase } from '../installation/database.ts';
import { serviceEnvironment } from '../installation/environment.ts';
import { ServiceGroup } from '../processes/service-group.ts';
import type { ServiceName } from '../processes/services.ts';

/** Parts that the services reach through a link which can be cut. */
export const LINKED = ['mongo', 'redis', 'kafka'] as const;
export type LinkedPart = (typeof LINKED)[number];

export interface ChaosTargetOptions {
  /** Of its stack, which is emptied first. */
  readonly name: string;
  readonly instances: Partial<Record<ServiceName, number>>;
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** An installation of its own, parts and all, to be broken. Services reach Kafka, MongoDB and Redis through links; the checks do not. */
export class ChaosTarget {
  readonly stack: RunningStack;
  readonly services: ServiceGroup;
  readonly database: Database;
  readonly links: Readonly<Record<LinkedPart, BreakableLink>>;
  readonly #close: readonly (() => Promise<void>)[];

  private constructor(
    stack: RunningStack,
    services: ServiceGroup,
    database: Database,
    links: Readonly<Record<LinkedPart, BreakableLink>>,
    close: readonly (() => Promise<void>)[],
  ) {
    this.stack = stack;
    this.services = services;
    this.database = database;
    this.links = links;
    this.#close = close;
  }

  /** Starts everything; when that fails, nothing is left. */
  static async start({ name, instances, log, signal }: ChaosTargetOptions): Promise<ChaosTarget> {
    const close: (() => Promise<void>)[] = [];
    try {
      await resetStack(name);
      // Every part is ours to halt, whatever the surrounding run points to, and what MongoDB has acknowledged outlives a kill.
      const stack = await startStack({
        name,
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
      const kafka = await BreakableLink.toKafka(stack.urls.kafkaBrokers);
      close.push(() => kafka.close());
      const direct = { ...serviceEnvironment({}, stack.urls), ...SETTINGS };
      const database = await openDatabase('chaos', direct);
      close.push(() => database.close());
      const services = await ServiceGroup.start({
        env: {
          PATH: process.env['PATH'],
          ...direct,
          MONGODB_URI: mongo.url,
          REDIS_URL: redis.url,
          KAFKA_BROKERS: `127.0.0.1:${kafka.port}`,
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
      const links = { mongo: mongo.link, redis: redis.link, kafka };
      return new ChaosTarget(stack, services, database, links, close);
    } catch (error) {
      await closeAll(close);
      throw error;
    }
  }

  client(accountId: string): BulkClient {
    const { intakeUrl, notifierUrl } = this.services;
    return new BulkClient({ baseUrl: intakeUrl, websocketUrl: notifierUrl, accountId });
  }

  /** The contacts of an account whose ids begin with `mark`, tombstones among them. */
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

/** Short sessions, leases and time-outs, so that what is broken is noticed and taken over within seconds. */
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
  MONGODB_TIMEOUT_MS: '10000',
  KAFKA_REQUEST_TIMEOUT_MS: '5000',
  REDIS_TIMEOUT_MS: '2000',
  READINESS_PROBE_INTERVAL_MS: '500',
  BATCH_SIZE: '20',
};

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
