import { hash } from 'node:crypto';
import type { ChainableCommander, Redis } from 'ioredis';
import { z } from 'zod';
import { CLAIM } from './claim-script.ts';
import { RedisError } from './errors.ts';
import { KeyScript, type Replication } from './key-script.ts';

/** A batch whose first positions are to be determined. */
export interface BatchClaim {
  readonly actionId: string;
  readonly batchNo: number;
  /** Number of replays of the batch. Each replay is recorded in addition to the others. */
  readonly generation: number;
  /** Partition and offset of the message that carries the batch. */
  readonly partition: number;
  readonly offset: number;
  readonly entities: readonly { readonly position: number; readonly id: string }[];
}

/** `first[i]` is the position that came first for entity i: its own, or that of an earlier occurrence. */
export type ClaimResult =
  | { readonly kind: 'claimed'; readonly first: readonly number[] }
  /** The same batch, of the same generation, was seen at another offset: the message is the second copy. */
  | { readonly kind: 'published-twice'; readonly firstOffset: number };

/** The place of a batch that handler may have seen, or has seen, when nothing is left that says where. */
export const UNKNOWN_PLACE = -1;

/** Bytes of an entity's digest: 96 bits of a SHA-256. */
const DIGEST_BYTES = 12;
/** A record is the digest and the position, as an unsigned 32-bit integer. */
const RECORD_BYTES = DIGEST_BYTES + 4;
/** Maximum number of actions whose keys one round trip removes or renews. */
const ACTIONS_AT_ONCE = 100;

const replySchema = z.array(z.coerce.number().int().min(UNKNOWN_PLACE)).min(1);

/**
 * Records which position of an entity came first in its action (G4), in Redis.
 *
 * An entity takes 16 bytes and its part of a bucket: a digest stands for its id. Two of n ids of an action share a
 * digest with a probability of n² / 2^97: 6 × 10^-18 for an action of a million entities. The second one would be
 * skipped as a duplicate. The digest includes the action's id, which the platform chooses, so no caller can prepare
 * such ids.
 */
export class FirstPositions {
  readonly #claims: KeyScript;
  readonly #prefix: string;
  readonly #ttlSeconds: number;

  /**
   * @param ttlSeconds how long an action is remembered after its last batch if it is not released; at least as long as
   *   Kafka keeps the batch.
   * @param replication replicas that must have a claim before it is answered, so that a failover does not forget it.
   */
  constructor(
    redis: Redis,
    prefix: string,
    ttlSeconds: number,
    replication: Replication = { replicas: 0, timeoutMs: 0 },
  ) {
    this.#claims = new KeyScript(redis, CLAIM, replication);
    this.#prefix = prefix;
    this.#ttlSeconds = ttlSeconds;
  }

  /**
   * Records the batch's entities and returns the first position of each, in one atomic step. It may be repeated for the
   * same batch at the same offset: a redelivered position finds itself. A replay finds the position that came first
   * before it, whatever has happened to that one.
   *
   * @throws RedisError if Redis does not answer or refuses, or too few replicas have the claim: nothing is known.
   */
  async claim({
    actionId,
    batchNo,
    generation,
    partition,
    offset,
    entities,
  }: BatchClaim): Promise<ClaimResult> {
    const records = Buffer.allocUnsafe(entities.length * RECORD_BYTES);
    entities.forEach(({ position, id }, i) => {
      digestOf(actionId, id).copy(records, i * RECORD_BYTES, 0, DIGEST_BYTES);
      records.writeUInt32BE(position, i * RECORD_BYTES + DIGEST_BYTES);
    });
    const reply = await answered(
      this.#claims.run([
        keyOf(this.#prefix, actionId, partition),
        String(offset),
        generation === 0 ? String(batchNo) : `${batchNo}:${generation}`,
        String(this.#ttlSeconds),
        records,
      ]),
    );
    const [claimed, ...rest] = replySchema.parse(reply);
    if (claimed !== 1) return { kind: 'published-twice', firstOffset: rest[0] ?? 0 };
    const first = entities.map(({ position }) => position);
    for (let i = 0; i + 1 < rest.length; i += 2) first[rest[i] ?? 0] = rest[i + 1] ?? 0;
    return { kind: 'claimed', first };
  }
}

/**
 * Removes the first positions of these actions. It may be repeated. Call it only for actions of which no batch will be
 * claimed any more: a later claim finds no earlier position.
 *
 * @param partitions number of partitions of a lane.
 * @throws RedisError if Redis does not answer; any part of the positions may be removed.
 */
export async function releaseFirstPositions(
  redis: Redis,
  prefix: string,
  actionIds: readonly string[],
  partitions: number,
): Promise<void> {
  await eachKey(redis, prefix, actionIds, partitions, (pipeline, key) => pipeline.unlink(key));
}

/**
 * Extends the lifetime of the first positions of these actions. An action that Redis does not know is ignored.
 *
 * @param partitions number of partitions of a lane.
 * @throws RedisError if Redis does not answer or refuses; any part of the positions may be renewed.
 */
export async function renewFirstPositions(
  redis: Redis,
  prefix: string,
  actionIds: readonly string[],
  partitions: number,
  ttlSeconds: number,
): Promise<void> {
  await eachKey(redis, prefix, actionIds, partitions, (pipeline, key) => pipeline.expire(key, ttlSeconds));
}

/**
 * Returns the place at which each batch of an action was first seen; `undefined` for a batch that was never claimed.
 * Replays are not asked for.
 *
 * @throws RedisError if Redis does not answer.
 */
export async function claimedPlaces(
  redis: Redis,
  prefix: string,
  actionId: string,
  batches: readonly { readonly batchNo: number; readonly partition: number }[],
): Promise<(number | undefined)[]> {
  const pipeline = redis.pipeline();
  for (const { batchNo, partition } of batches)
    pipeline.hget(keyOf(prefix, actionId, partition), `b:${batchNo}`);
  return (await repliesOf(pipeline)).map((place) => (place === null ? undefined : Number(place)));
}

/**
 * Records that the places of these batches of a partition are not known, in one atomic step. A later claim of one of them
 * is its second copy, wherever it comes from, unless it claims `UNKNOWN_PLACE`.
 *
 * @throws RedisError if Redis does not answer or refuses.
 */
export async function recordUnknownPlaces(
  redis: Redis,
  prefix: string,
  { actionId, partition, batchNos }: { actionId: string; partition: number; batchNos: readonly number[] },
  ttlSeconds: number,
): Promise<void> {
  if (batchNos.length === 0) return;
  const key = keyOf(prefix, actionId, partition);
  const fields = batchNos.flatMap((batchNo) => [`b:${batchNo}`, UNKNOWN_PLACE]);
  await answered(redis.hset(key, ...fields));
  await answered(redis.expire(key, ttlSeconds));
}

/** Returns those of the partitions of which Redis has first positions of an action. @throws RedisError. */
export async function partitionsWithFirstPositions(
  redis: Redis,
  prefix: string,
  actionId: string,
  partitions: readonly number[],
): Promise<ReadonlySet<number>> {
  const pipeline = redis.pipeline();
  for (const partition of partitions) pipeline.exists(keyOf(prefix, actionId, partition));
  const replies = await repliesOf(pipeline);
  return new Set(partitions.filter((_, i) => replies[i] === 1));
}

/** Sends one command for each key of these actions, because a cluster keeps them on different nodes. */
async function eachKey(
  redis: Redis,
  prefix: string,
  actionIds: readonly string[],
  partitions: number,
  add: (pipeline: ChainableCommander, key: string) => void,
): Promise<void> {
  for (let from = 0; from < actionIds.length; from += ACTIONS_AT_ONCE) {
    const pipeline = redis.pipeline();
    for (const actionId of actionIds.slice(from, from + ACTIONS_AT_ONCE)) {
      for (let partition = 0; partition < partitions; partition += 1)
        add(pipeline, keyOf(prefix, actionId, partition));
    }
    await repliesOf(pipeline);
  }
}

/** Sends the commands of a pipeline. @throws RedisError if Redis does not answer or refuses one of them. */
async function repliesOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = (await answered(pipeline.exec())) ?? [];
  return replies.map(([error, reply]) => {
    if (error !== null) throw new RedisError(error);
    return reply;
  });
}

/** Returns the key of an action and a partition. All occurrences of an entity have the same key. */
function keyOf(prefix: string, actionId: string, partition: number): string {
  return `${prefix}firsts:${actionId}:${partition}`;
}

function digestOf(actionId: string, entityId: string): Buffer {
  return hash('sha256', `${actionId}:${entityId}`, 'buffer');
}

async function answered<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    throw new RedisError(error);
  }
}
