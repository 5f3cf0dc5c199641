import { createHash } from 'node:crypto';
import type { ChainableCommander, Redis } from 'ioredis';
import { z } from 'zod';
import { CLAIM } from './claim-script.ts';
import { RedisError } from './errors.ts';

/** A batch that asks which of its positions are the first of their entity. */
export interface BatchClaim {
  readonly actionId: string;
  readonly batchNo: number;
  /** How often the batch was replayed; each replay is recorded beside the others. */
  readonly generation: number;
  /** Partition and offset of the message that carries the batch. */
  readonly partition: number;
  readonly offset: number;
  readonly entities: readonly { readonly position: number; readonly id: string }[];
}

/** `first[i]` is the position that came first for entity i: its own, or that of an earlier occurrence. */
export type ClaimResult =
  | { readonly kind: 'claimed'; readonly first: readonly number[] }
  /** The same batch, of the same generation, was seen at another offset: this is the second copy. */
  | { readonly kind: 'published-twice'; readonly firstOffset: number };

/** Bytes of an entity's digest: 96 bits of a SHA-256. */
const DIGEST_BYTES = 12;
/** A record is the digest and the position, as an unsigned 32-bit integer. */
const RECORD_BYTES = DIGEST_BYTES + 4;
/** Actions whose keys are removed or renewed by one round trip. */
const ACTIONS_AT_ONCE = 100;

const replySchema = z.array(z.coerce.number().int().nonnegative()).min(1);

/**
 * Which position of an entity came first in its action (G4), kept in Redis.
 *
 * An entity takes 16 bytes and its part of a bucket: a digest stands for its id. Two of n ids of an action share a digest
 * with a probability of n² / 2^97: 6 × 10^-18 for an action of a million entities. The second one would be skipped as a
 * duplicate. The digest includes the action's id, which the platform chooses, so nobody can prepare such ids.
 */
export class FirstPositions {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #ttlSeconds: number;

  /**
   * @param ttlSeconds how long an action is remembered after its last batch if nobody releases it; not shorter than Kafka
   *   keeps the batch.
   */
  constructor(redis: Redis, prefix: string, ttlSeconds: number) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#ttlSeconds = ttlSeconds;
  }

  /**
   * Records the batch's entities and answers whose they are, in one atomic step. Idempotent for the same batch at the
   * same offset: a redelivered position finds itself. A replay finds what was first before it, whatever has become of that.
   *
   * @throws RedisError when Redis does not answer or refuses: nothing is known.
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
      this.#redis.eval(
        CLAIM,
        1,
        keyOf(this.#prefix, actionId, partition),
        String(offset),
        generation === 0 ? String(batchNo) : `${batchNo}:${generation}`,
        String(this.#ttlSeconds),
        records,
      ),
    );
    const [claimed, ...rest] = replySchema.parse(reply);
    return claimed === 1
      ? { kind: 'claimed', first: rest }
      : { kind: 'published-twice', firstOffset: rest[0] ?? 0 };
  }
}

/**
 * Removes all that Redis holds of these actions. Safe to repeat. Call it only for actions of which no batch is claimed any
 * more: a claim that follows finds no earlier position.
 *
 * @param partitions of a lane.
 * @throws RedisError when Redis does not answer: any part of it may be removed.
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
 * Has Redis keep what it holds of these actions for another lifetime. Of an action that it knows nothing of, nothing happens.
 *
 * @param partitions of a lane.
 * @throws RedisError when Redis does not answer or refuses: any part of it may be renewed.
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

/** Sends one command for each key of these actions: in a cluster they are on different nodes. */
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
    const replies = (await answered(pipeline.exec())) ?? [];
    const failed = replies.find(([error]) => error !== null);
    if (failed !== undefined) throw new RedisError(failed[0]);
  }
}

/** One key for each action and partition, since all occurrences of an entity meet there. */
function keyOf(prefix: string, actionId: string, partition: number): string {
  return `${prefix}firsts:${actionId}:${partition}`;
}

function digestOf(actionId: string, entityId: string): Buffer {
  return createHash('sha256').update(`${actionId}:${entityId}`).digest();
}

async function answered<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    throw new RedisError(error);
  }
}
