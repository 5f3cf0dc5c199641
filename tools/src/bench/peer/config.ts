import { z } from 'zod';

/** How the peer logs: a document per entity, as the simple design has it, or one per batch. */
export const LOG_MODES = ['entity', 'batch'] as const;
export type LogMode = (typeof LOG_MODES)[number];

/** What a process of the peer does. */
export const ROLES = ['api', 'worker'] as const;
export type Role = (typeof ROLES)[number];

const wholeNumber = z.coerce.number().pipe(z.int().min(1));

/** Variables of a process of the peer. The benchmark sets them all. */
export const peerConfigSchema = z.object({
  MONGODB_URI: z.string(),
  MONGODB_DATABASE: z.string(),
  REDIS_URL: z.string(),
  REDIS_PREFIX: z.string(),
  PORT: wholeNumber,
  PEER_ROLE: z.enum(ROLES),
  /** Number of jobs at the same time. */
  PEER_CONCURRENCY: wholeNumber,
  /** Number of entities of a job. */
  BATCH_SIZE: wholeNumber,
  PEER_LOG_MODE: z.enum(LOG_MODES),
});
export type PeerConfig = z.infer<typeof peerConfigSchema>;
