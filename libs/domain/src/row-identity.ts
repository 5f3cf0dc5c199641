import { z } from 'zod';
import { entityIdSchema, incomingEntitySchema, type IncomingEntity } from './entity.ts';

/**
 * How the rows of a request name their entities: each by its id, by an id that intake gives to a row without one, or by
 * the value of a field and never by an id.
 */
export type RowIdentity =
  { readonly by: 'id' } | { readonly by: 'optional-id' } | { readonly by: 'field'; readonly field: string };

/** Each row has an id. */
export const BY_ID: RowIdentity = Object.freeze({ by: 'id' });

const SCHEMAS: Readonly<Record<RowIdentity['by'], z.ZodType<IncomingEntity>>> = {
  id: incomingEntitySchema.extend({ id: entityIdSchema }),
  'optional-id': incomingEntitySchema,
  field: z.looseObject(
    {
      ...incomingEntitySchema.shape,
      id: z.undefined('expected no id, because matchBy names the field that finds the entity').optional(),
    },
    'expected an object',
  ),
};

/** Returns the schema of a row that names its entity in this way. The entity type checks the value of a field. */
export function rowSchema({ by }: RowIdentity): z.ZodType<IncomingEntity> {
  return SCHEMAS[by];
}
