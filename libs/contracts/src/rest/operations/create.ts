import { z } from 'zod';
import { acceptedAction } from '../answers.ts';
import { COMMON_ERRORS } from '../errors.ts';
import { REQUESTS } from '../examples.ts';
import type { Body, Operation } from '../operation.ts';
import { createActionRequestSchema, idempotencyKeySchema } from '../schemas.ts';
import { uploadQuerySchema } from '../upload-query.ts';

const createHeadersSchema = idempotencyKeySchema.partial();

/** POST /bulk-actions. An installation documents it with the schemas of its own action types and entity types. */
export const CREATE_ACTION = {
  method: 'post',
  path: '/bulk-actions',
  operationId: 'createAction',
  tag: 'Actions',
  summary: 'Start a bulk action',
  description: [
    'Accepts one change of many entities. After the 202, every position of `entities` gets exactly one outcome,',
    'even if machines of the platform fail. A refused request leaves nothing behind.',
    '',
    'If the request is invalid, the answer names every field at fault. If one entity is invalid (it',
    'does not exist, or one of its fields is unknown or of the wrong type), its outcome in the logs says so.',
    'In place of `entities` a JSON body may have a `filter`. The records that match it when they are read, between the',
    'request and the 202, become the entities, in the order of their ids. The 202 says how many (`total`), and what the read',
    'cost (`filterPlan`). An action without any record is `completed` at once, or refused with `failOnEmpty`.',
    '',
    'An entity that is named twice is changed once: its first position counts, and the others are skipped.',
    '',
    'With `matchBy` the value of a field, such as `email`, finds the entity of each row, and rows have no `id`. A row whose',
    'value belongs to no entity or to several is a failure of that row; `upsert` adds the entity if there is none. A',
    '`create` gives an id to each row without one.',
    '',
    'You can also send only the entities: as `text/csv`, `application/x-ndjson` or the one file of a `multipart/form-data`',
    'body, as browsers and `curl -F file=@contacts.csv` send it. The parameters are then in the query. (A JSON body contains',
    'them itself, and its query has none.) Such a body is streamed, and may hold ten million entities. Any body may be',
    'gzipped: `Content-Encoding: gzip`.',
    '',
    'A CSV with `retryOf` is a corrected download of results: see `retryOf`. The new action is a retry of that action.',
    '',
    'A request with an `Idempotency-Key` may be repeated: the same key and request give the same action. If an answer is',
    'lost, send the request again.',
  ].join('\n'),
  query: uploadQuerySchema,
  admittedBy: 'handler',
  headers: createHeadersSchema,
  body: {
    'application/json': {
      schema: createActionRequestSchema,
      examples: REQUESTS,
    },
    'text/csv': upload(
      [
        'The first row names the columns: `id` (with `matchBy` the field that it names, and for `create` neither is needed), optionally `ref` and `expectedVersion`, and fields. Case, spaces, `_` and `-` in a name do not matter.',
        'An empty cell leaves its field unchanged, and `#N/A` clears it. Empty rows are ignored, and so are columns whose name starts with `_`.',
        'The parameters `columns` and `mapping` map other names. A row that is no entity fails (`INVALID_ROW`), unless `invalidRows` is `refuse`; a file whose rows cannot be separated, for example because a quote is not closed, is always refused.',
        'The text is UTF-8 unless a byte order mark or `charset` says otherwise. The delimiter is found from the first row, or from a line `sep=;` before it.',
      ].join(' '),
      'id,ownerId\ncontact-1,user-7\ncontact-2,user-8\n',
    ),
    'application/x-ndjson': upload(
      'One entity per line, in JSON. A line that is no entity fails (`INVALID_ROW`), unless `invalidRows` is `refuse`.',
      '{"id":"contact-1","ownerId":"user-7"}\n{"id":"contact-2","ownerId":"user-8"}\n',
    ),
    'multipart/form-data': {
      schema: z.object({
        file: z.string().meta({
          format: 'binary',
          description:
            'A CSV or NDJSON file, of any field name. Its content type decides, else its name: .csv, .ndjson or .jsonl, with .gz if it is compressed.',
        }),
      }),
      examples: { form: { value: { file: 'id,ownerId\ncontact-1,user-7\ncontact-2,user-8\n' } } },
    },
  },
  success: acceptedAction('The action is accepted and will be carried out.'),
  errors: [
    ...COMMON_ERRORS,
    'CROSS_SITE_REQUEST',
    'INVALID_JSON',
    'INVALID_CONFIG',
    'UNKNOWN_ACTION_TYPE',
    'UNKNOWN_ENTITY_TYPE',
    'ENTITY_TOO_LARGE',
    'REQUEST_TIMEOUT',
    'SERVICE_STOPPING',
    'PAYLOAD_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'INVALID_HEADER',
    'INVALID_ROW',
    'INVALID_ENCODING',
    'UNKNOWN_CHARSET',
    'INVALID_GZIP',
    'INVALID_MULTIPART',
    'UPLOAD_BROKEN_OFF',
    'ACTION_NOT_FOUND',
    'ACTION_NOT_FINISHED',
    'NOTHING_TO_RETRY',
    'RETRY_EXPIRED',
    'RETRY_IN_PROGRESS',
    'TOO_MANY_RETRIES',
    'IDEMPOTENCY_KEY_REUSED',
    'IDEMPOTENCY_IN_PROGRESS',
    'ACCOUNT_TOO_BUSY',
    'QUOTA_EXCEEDED',
    'TOO_BUSY',
    'FILTER_MATCHES_NOTHING',
    'FILTER_TIMEOUT',
    'CALLBACK_URL_FORBIDDEN',
    { code: 'WEBHOOKS_DISABLED', status: 422 },
    { code: 'MAPPING_NOT_FOUND', status: 422 },
  ],
} as const satisfies Operation;

function upload(description: string, example: string): Body {
  return { schema: z.string().meta({ description }), examples: { upload: { value: example } } };
}
