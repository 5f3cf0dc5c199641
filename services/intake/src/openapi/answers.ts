import { actionViewSchema } from '@bulk/contracts';
import { ACCEPTED, answered } from './examples.ts';
import type { Body, Example, Success } from './operation.ts';
import { locationHeaderSchema, one, quotaHeadersSchema } from './schemas.ts';

/** What can be asked about an action by its id. */
const ABOUT_AN_ACTION = ['getAction', 'getActionStats', 'getActionLogs', 'getActionLogSummary'];

/** An answer of 200. */
export function ok(description: string, content: Readonly<Record<string, Body>>): Success {
  return { status: 200, description, content };
}

/** A body in JSON. */
export function json(
  schema: Body['schema'],
  examples: Readonly<Record<string, Example>>,
): Record<string, Body> {
  return { 'application/json': { schema, examples } };
}

/** An answer with a new action: its URL in `Location`, and what can be asked about it. */
export function acceptedAction(description: string): Success {
  const parameters = { id: '$response.body#/data/actionId' };
  return {
    status: 202,
    description,
    content: json(one(actionViewSchema), answered(ACCEPTED)),
    headers: locationHeaderSchema.extend(quotaHeadersSchema.shape),
    links: Object.fromEntries(
      ABOUT_AN_ACTION.map((operationId) => [operationId, { operationId, parameters }]),
    ),
  };
}
