import { DEFAULT_ENTITY_TYPE, DEFAULT_LANE } from '@bulk/domain';
import { z } from 'zod';
import { failureLimitQueryShape } from './failure-limit-schemas.ts';
import { mappingNameSchema } from './column-mappings.ts';
import { actionParametersSchema } from './schemas.ts';

/** Media types of an upload's body. A JSON body also contains the parameters. */
export const UPLOAD_MEDIA_TYPES = ['application/x-ndjson', 'text/csv'] as const;

/** The possible delimiters of a CSV, the most usual first. */
export const DELIMITERS = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' } as const;

/** What becomes of a file with invalid rows: those rows fail, or the whole file is refused. */
export const INVALID_ROWS = ['fail', 'refuse'] as const;
export type InvalidRows = (typeof INVALID_ROWS)[number];
export const DEFAULT_INVALID_ROWS: InvalidRows = 'fail';

/** Parses a parameter from JSON text. Its content is validated with all other parameters. */
function jsonText() {
  return z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.issues.push({ code: 'custom', message: 'expected a JSON object', input: text });
      return z.NEVER;
    }
  });
}

/**
 * The query of POST /bulk-actions if the body contains only the entities: the parameters of an action as text, `config`
 * as JSON, and the delimiter of a CSV.
 */
export const uploadQuerySchema = z.strictObject({
  ...actionParametersSchema.shape,
  actionType: actionParametersSchema.shape.actionType
    .optional()
    .meta({ description: 'The action type, e.g. update. Required without `retryOf`.' }),
  retryOf: z.uuid('expected a UUID').optional().meta({
    description:
      'The action whose results (`results.csv?include=input`) are sent again, corrected. The rows are matched by `_row`, and those that have succeeded are left out. The parameters are those of that action: another value is refused, and none is needed.',
  }),
  // These have no defaults: documentation tools fill in defaults, and would send them with a JSON body too.
  // `actionParametersSchema` supplies the defaults.
  entityType: actionParametersSchema.shape.entityType
    .unwrap()
    .optional()
    .meta({ description: `The entity type. Default: ${DEFAULT_ENTITY_TYPE}.` }),
  priority: actionParametersSchema.shape.priority
    .unwrap()
    .optional()
    .meta({ description: `The lane. Default: ${DEFAULT_LANE}.` }),
  config: jsonText().optional().meta({ description: 'Settings of the action type, as JSON.' }),
  retry: jsonText().optional().meta({
    description:
      'How entities with transient faults are retried, as JSON: maxAttempts, initialDelayMs, maxDelayMs.',
  }),
  dryRun: z
    .enum(['true', 'false'], 'expected true or false')
    .transform((text) => text === 'true')
    .optional()
    .meta({ description: 'Whether to predict the outcomes without changing anything.' }),
  escaped: z
    .enum(['true', 'false'], 'expected true or false')
    .optional()
    .transform((text) => text === 'true')
    .meta({
      description:
        'Whether the cells of a CSV are as an export writes them without `exact=true`: the apostrophe before each formula is removed. Default: false, and cells are taken as they are.',
    }),
  ...failureLimitQueryShape,
  delimiter: z
    .enum(['comma', 'semicolon', 'tab', 'pipe'], 'expected one of comma, semicolon, tab, pipe')
    .optional()
    .transform((name) => (name === undefined ? undefined : DELIMITERS[name]))
    .meta({
      description:
        'The delimiter of a CSV. Default: the one that a first line sep=… names, else the one found in the header.',
    }),
  invalidRows: z
    .enum(INVALID_ROWS, `expected one of ${INVALID_ROWS.join(', ')}`)
    .optional()
    .meta({
      description: `What becomes of rows that are no entities. fail: each is the failure of its own position (\`INVALID_ROW\`). refuse: the request is refused and names up to 20 of them. Default: ${DEFAULT_INVALID_ROWS}.`,
    }),
  columns: jsonText().optional().meta({
    description:
      'The fields of the columns of a CSV, as JSON, by title; null ignores a column: {"E-mail address":"email","Notes (old)":null}. Columns that it does not name are identified by their titles.',
  }),
  mapping: mappingNameSchema.optional().meta({
    description: 'The name of a saved column mapping, in place of `columns`.',
  }),
});
