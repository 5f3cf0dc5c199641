import type { Redis } from 'ioredis';
import { z } from 'zod';
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

/**
 * KEYS[1] hash of one action and partition; ARGV: offset, batch number with its generation, lifetime in seconds, then
 * position and entity id in turn. A hash of its own per partition, since all occurrences of an entity meet there: it stays small and, in a
 * cluster, on one node.
 */
const CLAIM = `
local seen = redis.call('HGET', KEYS[1], 'b:' .. ARGV[2])
if seen and seen ~= ARGV[1] then return { 0, seen } end
if not seen then redis.call('HSET', KEYS[1], 'b:' .. ARGV[2], ARGV[1]) end
local first = { 1 }
for i = 4, #ARGV, 2 do
  local field = 'e:' .. ARGV[i + 1]
  if redis.call('HSETNX', KEYS[1], field, ARGV[i]) == 1 then
    first[#first + 1] = ARGV[i]
  else
    first[#first + 1] = redis.call('HGET', KEYS[1], field)
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return first
`;

const replySchema = z.array(z.coerce.number().int().nonnegative()).min(1);

/** Which position of an entity came first in its action (G4), kept in Redis. */
export class FirstPositions {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #ttlSeconds: number;

  /** @param ttlSeconds how long an action is remembered after its last batch; not shorter than Kafka's retention. */
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
    const key = `${this.#prefix}first:${actionId}:${partition}`;
    const pairs = entities.flatMap(({ position, id }) => [String(position), id]);
    let reply: unknown;
    try {
      reply = await this.#redis.eval(
        CLAIM,
        1,
        key,
        String(offset),
        generation === 0 ? String(batchNo) : `${batchNo}:${generation}`,
        String(this.#ttlSeconds),
        ...pairs,
      );
    } catch (error) {
      throw new RedisError(error);
    }
    const [claimed, ...rest] = replySchema.parse(reply);
    return claimed === 1
      ? { kind: 'claimed', first: rest }
      : { kind: 'published-twice', firstOffset: rest[0] ?? 0 };
  }
}
