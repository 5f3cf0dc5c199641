import { incomingEntitySchema, isOutcomeCode } from '@bulk/domain';
import { z } from 'zod';

const EXPECTED_CODE = 'expected an outcome code such as VERSION_CONFLICT';
/** Maximum number of codes that one retry names. */
const MAX_CODES = 100;

const codesSchema = z
  .array(z.string(EXPECTED_CODE).refine(isOutcomeCode, EXPECTED_CODE))
  .min(1, 'expected at least one code')
  .max(MAX_CODES, `expected at most ${MAX_CODES} codes`)
  .meta({ description: 'Tries only the positions again that failed with one of these codes.' });

/** The body of POST /bulk-actions/{id}/retry without its entities. */
export const retryParametersSchema = z.strictObject({ codes: codesSchema.optional() });
export type RetryParameters = z.infer<typeof retryParametersSchema>;

/** A corrected entity of a retry: it names a failed position, and replaces the fields that were sent. */
export const correctedEntitySchema = z
  .looseObject(
    {
      position: z.int('expected a position: a whole number from 0').nonnegative().optional(),
      ref: incomingEntitySchema.shape.ref.meta({ description: 'The `ref` of a failed position.' }),
      id: incomingEntitySchema.shape.id
        .optional()
        .meta({ description: 'The right id. Absent: the id that was sent.' }),
    },
    'expected an object with a position or a ref',
  )
  .refine(
    ({ position, ref }) => (position === undefined) !== ((ref ?? undefined) === undefined),
    'expected either a position or a ref',
  );
export type CorrectedEntity = z.infer<typeof correctedEntitySchema>;

/** The JSON body of POST /bulk-actions/{id}/retry. */
export const retryRequestSchema = retryParametersSchema.extend({
  entities: z.array(correctedEntitySchema).min(1, 'expected at least one entity').optional().meta({
    description:
      'Corrected entities. Their fields take the place of all fields that were sent for the position.',
  }),
});
export type RetryRequest = z.input<typeof retryRequestSchema>;
