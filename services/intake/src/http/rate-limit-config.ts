import { accountIdSchema } from '@bulk/domain';
import { integer } from '@bulk/runtime';
import { z } from 'zod';

const MINUTE_MS = 60_000;
const MAX_LIMIT = 10_000_000;
const EXPECTED = 'expected acme=500,globex=20000 or a JSON object such as {"acme":500}';

const wholeNumber = z
  .string()
  .regex(/^\d{1,8}$/, 'expected a whole number')
  .transform(Number);
const limitsSchema = z.array(
  z.tuple([accountIdSchema, z.union([z.number(), wholeNumber]).pipe(z.int().min(0).max(MAX_LIMIT))]),
);

/** Parses `acme=500,globex=20000` or a JSON object into account → limit. */
const limitsByAccount = z.string().transform((text, context): ReadonlyMap<string, number> => {
  const parsed = limitsSchema.safeParse(pairsOf(text));
  const limits = new Map(parsed.data);
  if (parsed.success && limits.size === parsed.data.length) return limits;
  const fault = parsed.success
    ? 'an account is named twice'
    : `${parsed.error.issues[0]?.path.join('.') ?? ''}: ${parsed.error.issues[0]?.message ?? ''}`;
  context.addIssue({ code: 'custom', message: `${EXPECTED}; ${fault}` });
  return z.NEVER;
});

/** Variables of the rate limit. */
export const rateLimitConfigShape = {
  RATE_LIMIT_MAX: integer(
    { min: 0, max: MAX_LIMIT },
    10_000,
    'Maximum number of requests of one account in any window, over all instances; 0: no limit.',
  ),
  RATE_LIMIT_WINDOW_MS: integer(
    { min: 100, max: 1_440 * MINUTE_MS },
    MINUTE_MS,
    'Length of the sliding window of the request limit, in ms.',
  ),
  RATE_LIMIT_ACCOUNTS: limitsByAccount.optional().meta({
    description:
      'Limits of single accounts in place of RATE_LIMIT_MAX: acme=500,globex=20000, or a JSON object.',
  }),
  RATE_LIMIT_WHEN_REDIS_IS_AWAY: z.enum(['open', 'closed'], 'expected open or closed').default('open').meta({
    description:
      'What happens to requests while Redis is unavailable. open: they pass unlimited; closed: they are refused with 503.',
  }),
  RATE_LIMIT_TIMEOUT_MS: integer(
    { min: 10, max: MINUTE_MS },
    500,
    'Maximum wait of a request for the answer of Redis, in ms. After this time Redis counts as unavailable.',
  ),
};

export type RateLimitConfig = z.infer<z.ZodObject<typeof rateLimitConfigShape>>;

/** Splits the text into pairs. @returns `undefined` if the text has neither form. */
function pairsOf(text: string): unknown {
  if (!text.trimStart().startsWith('{')) {
    return text.split(',').map((pair) => pair.split('=').map((part) => part.trim()));
  }
  try {
    return Object.entries(z.record(z.string(), z.number()).parse(JSON.parse(text)));
  } catch {
    return undefined;
  }
}
