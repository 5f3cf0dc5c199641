import { processOf, type RunningStack } from '@bulk/local-stack';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { z } from 'zod';
import type { CommandContext } from '../../console/command.ts';
import { redisCalls, risenBy, type Counts } from './counts.ts';
import { cpuTimes } from './cpu.ts';
import type { KafkaRequests } from './kafka-requests.ts';

/** Name of the benchmark's own process in CPU times. */
export const CLIENT = 'client';
/** Name of MongoDB's process in CPU times. */
export const MONGODB = 'mongo';

const PARTS = ['kafka', 'registry', MONGODB, 'redis'] as const;
/** The meter's own commands. */
const OWN_COMMANDS = ['serverStatus', 'info', 'hello', 'isMaster', 'ping', 'endSessions'];

const statusSchema = z.object({
  metrics: z.object({ commands: z.record(z.string(), z.unknown()) }),
});
const commandSchema = z.object({ total: z.coerce.number() });

/** What some work has cost. */
export interface Usage {
  readonly seconds: number;
  /** CPU time by process, in ms. Processes of a server that the stack does not manage are absent. */
  readonly cpu: Counts;
  /** Requests to Kafka by type, of the processes that count them. */
  readonly kafka: Counts;
  /** Commands to MongoDB by name, as the server counts them. */
  readonly mongo: Counts;
  /** Commands to Redis by name, as the server counts them. */
  readonly redis: Counts;
}

/** The processes whose cost is measured. */
export interface Metered {
  /** Process ids by name. */
  readonly pids: ReadonlyMap<string, number>;
  /** The processes that have loaded request-counter.ts. */
  readonly counted: readonly number[];
}

type Reading = Omit<Usage, 'seconds'>;

/** Measures what work costs: time, CPU time by process, and requests to the real parts. */
export class Meter {
  readonly #stack: RunningStack;
  readonly #requests: KafkaRequests;
  readonly #mongo: MongoClient;
  readonly #redis: Redis;

  private constructor(stack: RunningStack, requests: KafkaRequests, mongo: MongoClient, redis: Redis) {
    this.#stack = stack;
    this.#requests = requests;
    this.#mongo = mongo;
    this.#redis = redis;
  }

  static async open(
    stack: RunningStack,
    requests: KafkaRequests,
    { releasers }: CommandContext,
  ): Promise<Meter> {
    const mongo = await MongoClient.connect(stack.urls.mongodbUri);
    releasers.push('mongodb of the meter', () => mongo.close());
    const redis = new Redis(stack.urls.redisUrl);
    releasers.push('redis of the meter', () => redis.disconnect());
    return new Meter(stack, requests, mongo, redis);
  }

  /** Runs work that returns its own duration in seconds, and measures what it costs. */
  async during(metered: Metered, work: () => Promise<number>): Promise<Usage> {
    const before = await this.#read(metered);
    const seconds = await work();
    const after = await this.#read(metered);
    return {
      seconds,
      cpu: risenBy(before.cpu, after.cpu),
      kafka: risenBy(before.kafka, after.kafka),
      mongo: risenBy(before.mongo, after.mongo),
      redis: risenBy(before.redis, after.redis),
    };
  }

  async #read({ pids, counted }: Metered): Promise<Reading> {
    const status = statusSchema.safeParse(await this.#mongo.db('admin').command({ serverStatus: 1 }));
    const mongo = new Map(
      Object.entries(status.success ? status.data.metrics.commands : {}).map(([name, value]) => {
        const count = commandSchema.safeParse(value);
        return [name, count.success ? count.data.total : 0] as const;
      }),
    );
    const redis = redisCalls(await this.#redis.info('commandstats'));
    for (const name of OWN_COMMANDS) {
      mongo.delete(name);
      redis.delete(name);
    }
    const kafka = await this.#requests.read(counted);
    return { cpu: cpuTimes(this.#processes(pids)), kafka, mongo, redis };
  }

  #processes(pids: ReadonlyMap<string, number>): Map<string, number> {
    const all = new Map([...pids, [CLIENT, process.pid]]);
    for (const part of PARTS) {
      const identity = processOf(this.#stack.name, part);
      if (identity !== undefined) all.set(part, identity.pid);
    }
    return all;
  }
}
