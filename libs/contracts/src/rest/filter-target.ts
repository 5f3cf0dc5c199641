import { z } from 'zod';

/** The parameters by which a JSON request names its entities by a filter, in place of `entities`. */
export const filterTargetShape = {
  filter: z.record(z.string(), z.unknown(), 'expected an object of conditions').optional().meta({
    description:
      'Conditions on the fields of the records to change, in place of `entities`: `{ "ownerId": "user-1", "score": { "gte": 50 } }`. All must hold. At most 64 KiB of JSON. Operators: eq, ne, in, lt, lte, gt, gte, exists, contains, startsWith. Only for action types that change existing entities.',
  }),
  failOnEmpty: z
    .boolean('expected true or false')
    .optional()
    .meta({ description: 'Whether to refuse a filter that matches no record. Default: false.' }),
};

/** The filter of an action and the cost of its read, as the API shows an action. */
export const filterViewShape = {
  filter: z.record(z.string(), z.unknown()).nullable().meta({
    description: 'The filter that named the entities; null if the request listed them.',
  }),
  filterPlan: z
    .object({
      indexed: z.boolean().meta({
        description:
          'Whether an index answered a condition. Otherwise all records of the account and type were read.',
      }),
      examined: z.int().nonnegative().meta({
        description: 'Number of records that were read to find those that match.',
      }),
    })
    .nullable()
    .meta({ description: 'What the read of the filter cost; null without a filter.' }),
};
