import { ACCEPTED, answered } from './examples.ts';
import type { Body, Example, Success } from './operation.ts';
import { locationHeaderSchema, one, quotaHeadersSchema } from './envelopes.ts';
import { actionViewSchema } from './schemas.ts';

/** The operations that read an action by its id. */
const ABOUT_AN_ACTION = ['getAction', 'getActionStats', 'getActionLogs', 'getActionLogSummary'];

/** Declares an answer with status 200. */
export function ok<const Content extends Success['content']>(description: string, content: Content) {
  return { status: 200, description, content } as const;
}

/** Declares a JSON body. */
export function json<Schema extends Body['schema']>(
  schema: Schema,
  examples: Readonly<Record<string, Example>>,
) {
  return { 'application/json': { schema, examples } } as const;
}

/** Declares the answer with a new action: its URL in `Location`, and links to the operations that read it. */
export function acceptedAction(description: string, example: typeof ACCEPTED = ACCEPTED) {
  const parameters = { id: '$response.body#/data/actionId' };
  return {
    status: 202,
    description,
    content: json(one(actionViewSchema), answered(example)),
    headers: locationHeaderSchema.extend(quotaHeadersSchema.shape),
    links: Object.fromEntries(
      ABOUT_AN_ACTION.map((operationId) => [operationId, { operationId, parameters }]),
    ),
  } as const;
}
