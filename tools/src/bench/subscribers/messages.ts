import { z } from 'zod';

/** What a crowd of subscribers follows. */
export const crowdOrderSchema = z.object({
  url: z.string(),
  accountId: z.string(),
  actionId: z.string(),
  connections: z.int().min(1),
});
export type CrowdOrder = z.infer<typeof crowdOrderSchema>;

/** What a crowd reports: when all have subscribed, when all have seen the end, and what has broken. */
export const crowdReportSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('subscribed') }),
  z.object({
    kind: z.literal('ended'),
    /** Number of progress frames of all connections. */
    frames: z.number(),
    /** Time of the first and of the last completed frame, in ms since the epoch. */
    firstSeenAt: z.number(),
    lastSeenAt: z.number(),
  }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
]);
export type CrowdReport = z.infer<typeof crowdReportSchema>;
