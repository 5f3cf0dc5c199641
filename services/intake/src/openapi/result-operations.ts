import {
  accountQuerySchema,
  csvResultsQuerySchema,
  resultsQuerySchema,
  webhookSecretSchema,
} from '@bulk/contracts';
import { z } from 'zod';
import { headText, rowsText, type ResultFormat } from '../logs/results-export.ts';
import { json, ok } from './answers.ts';
import { ACTION_ERRORS, COMMON_ERRORS } from './errors.ts';
import { answered, LOG_ENTRIES } from './examples.ts';
import type { Operation } from './operation.ts';
import { actionPathSchema, one } from './schemas.ts';

/** A note on the CSV. */
const FORMULAS =
  ' A value that a spreadsheet would run as a formula (one that begins with `=`, `+`, `-` or `@`, for example) has an apostrophe before its sign, unless `exact=true` asks for exact values.';

/** All outcomes as a file, in each format. */
export const RESULTS: readonly Operation[] = [
  results('csv', 'text/csv'),
  results('ndjson', 'application/x-ndjson'),
];

/** How webhooks are verified. */
export const WEBHOOKS: readonly Operation[] = [
  {
    method: 'get',
    path: '/webhook-secret',
    operationId: 'getWebhookSecret',
    tag: 'Webhooks',
    summary: 'The secret that signs the webhooks of the account',
    description:
      'To verify webhooks (`callbackUrl` of POST /bulk-actions) with a library of the Standard Webhooks specification.',
    query: accountQuerySchema,
    success: ok(
      'The secret.',
      json(
        one(webhookSecretSchema),
        answered({ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' }),
      ),
    ),
    errors: [...COMMON_ERRORS, 'WEBHOOKS_DISABLED'],
  },
];

function results(format: ResultFormat, mediaType: string): Operation {
  const example = headText(format) + rowsText(LOG_ENTRIES, { format });
  return {
    method: 'get',
    path: `/bulk-actions/{id}/results.${format}`,
    operationId: `downloadResults${format === 'csv' ? 'Csv' : 'Ndjson'}`,
    tag: 'Progress',
    summary: `All outcomes of an action as ${format.toUpperCase()}, streamed`,
    description: `A line for each position that has an outcome, in order. Of a running action these are the outcomes so far, and positions between them can be missing: download it again when the action has ended. A download that fails on its way ends with one more ${format === 'csv' ? 'row' : 'line'}, whose \`status\` is \`incomplete\` and whose \`code\` and \`message\` say why; for a client that reads slowly this one may be missing. Then the connection breaks off without the end of the answer, so that no HTTP client takes the download for whole.${format === 'csv' ? FORMULAS : ''}`,
    pathParameters: actionPathSchema,
    query: format === 'csv' ? csvResultsQuerySchema : resultsQuerySchema,
    success: ok('The outcomes.', {
      [mediaType]: { schema: z.string(), examples: { answer: { value: example } } },
    }),
    errors: ACTION_ERRORS,
  };
}
