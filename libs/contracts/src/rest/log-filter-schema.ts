import { entityIdSchema, MAX_ENTITY_ID_LENGTH, outcomeStatusSchema } from '@bulk/domain';
import { z } from 'zod';

/** Maximum number of codes of a filter, or of items of a list of them. */
const MAX_CODES = 20;
const EXPECTED_CODES = `expected up to ${MAX_CODES} outcome codes such as ENTITY_NOT_FOUND, separated by commas`;

/** Outcome codes that are separated by commas. */
const codesText = z
  .string(EXPECTED_CODES)
  .regex(/^[A-Z][A-Z0-9_]{0,63}(,[A-Z][A-Z0-9_]{0,63}){0,19}$/, EXPECTED_CODES);

/** Filters of an action's outcomes, as query parameters. An outcome matches if it matches each of them. */
export const logFilterShape = {
  type: outcomeStatusSchema.optional().meta({ description: 'Only outcomes of this kind.' }),
  code: z
    .union([codesText, z.array(codesText).max(MAX_CODES, EXPECTED_CODES)], EXPECTED_CODES)
    .transform((given) => [...new Set([given].flat().flatMap((text) => text.split(',')))])
    .optional()
    .meta({
      description:
        'Only failures and skips with one of these codes, e.g. ENTITY_NOT_FOUND,INVALID_ENTITY. The parameter may be repeated.',
    }),
  id: entityIdSchema.optional().meta({ description: 'Only outcomes of the entity with this id.' }),
  ref: z
    .string('expected a non-empty string')
    .min(1, 'expected a non-empty string')
    .max(MAX_ENTITY_ID_LENGTH, `expected at most ${MAX_ENTITY_ID_LENGTH} characters`)
    .optional()
    .meta({ description: 'Only outcomes of positions with this ref.' }),
};
