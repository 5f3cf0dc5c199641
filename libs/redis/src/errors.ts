import { DependencyError, messageOf, type FaultKind } from '@bulk/domain';

/**
 * Kind of fault → first words of Redis' error replies. A reply in none of these lists is `unknown`. Only the replies of
 * `request` are the fault of one command and its key.
 */
export const REDIS_REPLIES: Readonly<Partial<Record<FaultKind, readonly string[]>>> = {
  election: ['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'BUSY', 'NOREPLICAS', 'UNBLOCKED'],
  authentication: ['NOAUTH', 'WRONGPASS'],
  authorisation: ['NOPERM', 'ERR The user executing the script'],
  quota: ['ERR max number of clients reached'],
  'disk-full': ['MISCONF'],
  'out-of-memory': ['OOM'],
  'read-only': ['READONLY', 'ERR WAIT cannot be used with replica instances'],
  request: ['WRONGTYPE'],
};

const REPLIES = Object.entries(REDIS_REPLIES).flatMap(([kind, replies]) =>
  // In a script's error, the reply of its command follows a minus sign in Redis 6, and comes first since Redis 7.
  replies.map((reply): [RegExp, FaultKind] => [new RegExp(`(^| -)${reply}\\b`), kind as FaultKind]),
);

/** Code of a RedisError that ends by itself, or once an operator has repaired Redis. */
export const REDIS_UNAVAILABLE = 'REDIS_UNAVAILABLE';

/** Thrown in place of the client's error. Its message is for logs only. */
export class RedisError extends DependencyError {
  constructor(cause: unknown) {
    const fault = redisFault(cause);
    super(
      fault === 'request' ? 'REDIS_FAILED' : REDIS_UNAVAILABLE,
      `Redis (${fault}): ${messageOf(cause)}`,
      fault,
      cause,
    );
  }
}

/** Thrown if too few replicas have a write within the time. The write may be lost when a replica becomes the primary. */
export class NotReplicatedError extends Error {
  readonly code = 'REDIS_NOT_REPLICATED';

  constructor(has: number, needed: number) {
    super(`${has} of the required ${needed} replicas have the write`);
    this.name = 'NotReplicatedError';
  }
}

/** Returns why Redis failed a command. An error that is not a reply of Redis is a fault of the connection. */
export function redisFault(error: unknown): FaultKind {
  if (error instanceof NotReplicatedError) return 'election';
  if (!(error instanceof Error) || error.name !== 'ReplyError') return 'unreachable';
  return REPLIES.find(([reply]) => reply.test(error.message))?.[1] ?? 'unknown';
}
