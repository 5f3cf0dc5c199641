import { DEFAULT_ENTITY_TYPE, DEFAULT_LANE } from '@bulk/domain';
import { z } from 'zod';
import { actionParametersSchema } from './schemas.ts';

/** Media types of an upload's body; a JSON body carries the parameters too. */
export const UPLOAD_MEDIA_TYPES = ['application/x-ndjson', 'text/csv'] as const;

/** What may separate the cells of a CSV, the most usual first. */
export const DELIMITERS = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' } as const;

/** A parameter as JSON text; what it holds is checked where all parameters are. */
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
 * The query of POST /bulk-actions where the body is the entities alone: the parameters of an action as text, `config` as
 * JSON; for a CSV its delimiter.
 */
export const uploadQuerySchema = z.strictObject({
  ...actionParametersSchema.shape,
  // Without their defaults, which `actionParametersSchema` gives: what the documentation fills in by itself would be sent
  // beside a JSON body, too.
  entityType: actionParametersSchema.shape.entityType
    .unwrap()
    .optional()
    .meta({ description: `What to do it to; ${DEFAULT_ENTITY_TYPE} where nothing is said.` }),
  priority: actionParametersSchema.shape.priority
    .unwrap()
    .optional()
    .meta({ description: `The lane; ${DEFAULT_LANE} where nothing is said.` }),
  config: jsonText().optional().meta({ description: "The action type's own settings, as JSON." }),
  retry: jsonText().optional().meta({
    description:
      'How entities whose fault may pass are tried again, as JSON: maxAttempts, initialDelayMs, maxDelayMs.',
  }),
  dryRun: z
    .enum(['true', 'false'], 'expected true or false')
    .transform((text) => text === 'true')
    .optional()
    .meta({ description: 'Validate and look up everything, change nothing.' }),
  delimiter: z
    .enum(['comma', 'semicolon', 'tab', 'pipe'], 'expected one of comma, semicolon, tab, pipe')
    .optional()
    .transform((name) => (name === undefined ? undefined : DELIMITERS[name]))
    .meta({
      description:
        'What separates the cells of a CSV. Default: as a first line sep=… says, else found from the header.',
    }),
});
