import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { PeerJob } from './documents.ts';

const TTL_S = 86_400;

/**
 * KEYS[1] the owners of an action's entities; ARGV: lifetime in seconds, batch, then entity ids.
 * Returns the places (from 0) of the entities that another batch owns. A batch that is tried again
 * finds its own.
 */
const FOREIGN = `
local ids = { unpack(ARGV, 3) }
local owners = redis.call('HMGET', KEYS[1], unpack(ids))
local mine, foreign = {}, {}
for i, owner in ipairs(owners) do
  if not owner then
    mine[#mine + 1] = ids[i]
    mine[#mine + 1] = ARGV[2]
  elseif owner ~= ARGV[2] then
    foreign[#foreign + 1] = i - 1
  end
end
if #mine > 0 then
  redis.call('HSET', KEYS[1], unpack(mine))
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return foreign
`;

interface WithForeign {
  foreign(key: string, ttl: number, batch: number, ...ids: string[]): Promise<unknown>;
}

const commandSchema = z.custom<WithForeign>(
  (value) => typeof value === 'object' && value !== null && 'foreign' in value,
);
const placesSchema = z.array(z.number());

/** Finds entities that an action names more than once. */
export class Owners {
  readonly #redis: WithForeign;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    redis.defineCommand('foreign', { numberOfKeys: 1, lua: FOREIGN });
    this.#redis = commandSchema.parse(redis);
    this.#prefix = prefix;
  }

  /** Returns the places in the batch of the entities that are not the first of their id. */
  async duplicatesOf({ actionId, batchNo, entities }: PeerJob): Promise<Set<number>> {
    const first = new Map<string, number>();
    const duplicates = new Set<number>();
    entities.forEach(({ id }, i) => {
      if (first.has(id)) duplicates.add(i);
      else first.set(id, i);
    });
    const places = [...first.values()];
    const key = `${this.#prefix}:owners:${actionId}`;
    const foreign = placesSchema.parse(await this.#redis.foreign(key, TTL_S, batchNo, ...first.keys()));
    for (const at of foreign) {
      const place = places[at];
      if (place !== undefined) duplicates.add(place);
    }
    return duplicates;
  }
}
