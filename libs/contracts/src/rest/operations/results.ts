import { z } from 'zod';
import { ok } from '../answers.ts';
import { actionPathSchema } from '../envelopes.ts';
import { ACTION_ERRORS } from '../errors.ts';
import { LOG_ENTRIES, RESULTS_CSV } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { csvResultsQuerySchema, resultsQuerySchema } from '../schemas.ts';

/** Note on the CSV for spreadsheets. */
const FORMULAS =
  ' A value that a spreadsheet would run as a formula (one that starts with `=`, `+`, `-` or `@`, for example) gets a leading apostrophe, unless the request has `exact=true`.';

/** Note on what was sent. */
const WITH_INPUT =
  ' With `include=input` each position has what was sent for it, as long as that is kept (7 days after the end of the action, by default). Then a CSV is the file as it was sent, with columns of ours behind it: correct it and send it again with `retryOf`. Only our columns are escaped, whatever `exact` is.';

/** A format of the downloads of results. */
export type ResultFormat = 'csv' | 'ndjson';

export const DOWNLOAD_RESULTS = {
  csv: results({
    format: 'csv',
    mediaType: 'text/csv',
    operationId: 'downloadResultsCsv',
    query: csvResultsQuerySchema,
    example: RESULTS_CSV,
  }),
  ndjson: results({
    format: 'ndjson',
    mediaType: 'application/x-ndjson',
    operationId: 'downloadResultsNdjson',
    query: resultsQuerySchema,
    example: LOG_ENTRIES.map((entry) => `${JSON.stringify(entry)}\n`).join(''),
  }),
};

interface ResultsOptions<Query> {
  readonly format: ResultFormat;
  readonly mediaType: string;
  readonly operationId: string;
  readonly query: Query;
  readonly example: string;
}

function results<Query extends z.ZodObject>({
  format,
  mediaType,
  operationId,
  query,
  example,
}: ResultsOptions<Query>) {
  return {
    method: 'get',
    path: `/bulk-actions/{id}/results.${format}`,
    operationId,
    tag: 'Progress',
    summary: `All outcomes of an action as ${format.toUpperCase()}, streamed`,
    description: `A line for each position that has an outcome and matches \`type\`, \`code\`, \`id\` and \`ref\`, in order. Of a running action these are the outcomes so far, and positions between them can be missing: download it again when the action has ended. A download that fails on its way ends with one more ${format === 'csv' ? 'row' : 'line'}, whose \`status\` is \`incomplete\` and whose \`code\` and \`message\` say why; for a client that reads slowly this one may be missing. Then the connection breaks off without the end of the answer, so that no HTTP client takes the download for whole.${format === 'csv' ? FORMULAS : ''}${WITH_INPUT}`,
    pathParameters: actionPathSchema,
    query,
    success: ok('The outcomes.', {
      [mediaType]: { schema: z.string(), examples: { answer: { value: example } } },
    }),
    errors: [...ACTION_ERRORS, 'INPUT_EXPIRED'],
  } as const satisfies Operation;
}
