import type { InputErrorCode } from '@bulk/domain';

/** An error that the REST API answers with. */
export interface RestErrorDefinition {
  readonly status: number;
  /** Value of `Retry-After` in seconds, unless the error sets another one. */
  readonly retryAfterS?: number;
  /** The circumstances in which a client gets the error. */
  readonly when: string;
  /** Example of a message. */
  readonly message: string;
  /** Example of `details`. */
  readonly details?: unknown;
}

const account = (message: string) => [{ field: 'accountId', message }];

/** Every error code of the REST API, with the status of its answer. An error with another code does not compile. */
export const REST_ERRORS = {
  ACCOUNT_REQUIRED: {
    status: 400,
    when: 'the request names no account',
    message: 'name the account in the header x-account-id, or as accountId',
    details: [{ field: 'x-account-id', message: 'expected the id of an account, here or as accountId' }],
  },
  ACCOUNT_MISMATCH: {
    status: 400,
    when: 'header and parameter name different accounts',
    message: 'the request names two accounts',
    details: account('expected the account of the header x-account-id, or none'),
  },
  INVALID_ACCOUNT: {
    status: 400,
    when: 'the account id has a wrong form',
    message: 'the account id is invalid',
    details: account('expected 1 to 64 letters, digits, ".", "_" or "-"'),
  },
  INVALID_ID: {
    status: 400,
    when: 'the id in the path is not a UUID',
    message: 'the id is not that of an action',
    details: [{ field: 'id', message: 'expected a UUID' }],
  },
  INVALID_REQUEST: {
    status: 400,
    when: 'a field is unknown, missing, of the wrong type or out of range; `details` names every such field',
    message: 'the request is invalid',
    details: [{ field: 'limit', message: 'expected a whole number from 1 to 1000' }],
  },
  INVALID_JSON: {
    status: 400,
    when: 'the body is not JSON in UTF-8, or an entity of it is not',
    message: 'the body is not a JSON object',
    details: [{ field: '(body)', message: 'expected JSON (RFC 8259) in UTF-8' }],
  },
  INVALID_CONFIG: {
    status: 400,
    when: "the config does not fit the action type, or its fields the entity type's",
    message: 'the config of this action is invalid',
    details: [{ field: 'config.set.email', message: 'expected an e-mail address' }],
  },
  UNKNOWN_ACTION_TYPE: {
    status: 400,
    when: 'this installation has no such action type; `details` names the existing ones',
    message: 'unknown actionType "explode"',
    details: [{ field: 'actionType', message: 'expected one of: update' }],
  },
  UNKNOWN_ENTITY_TYPE: {
    status: 400,
    when: 'this installation has no such entity type; `details` names the existing ones',
    message: 'unknown entityType "planet"',
    details: [{ field: 'entityType', message: 'expected one of: contact, company, lead' }],
  },
  ENTITY_TOO_LARGE: {
    status: 400,
    when: 'the JSON of one entity is larger than MAX_ENTITY_BYTES; with `invalidRows=fail` only if the row is one that may have swallowed others',
    message: 'an entity is too large',
    details: [{ field: 'entities[60]', message: 'expected at most 65536 bytes of JSON' }],
  },
  INVALID_HEADER: {
    status: 400,
    when: 'the first row of a CSV has no column `id`, names a column twice, or names a column that the action cannot use, or `columns` names a column that the file lacks',
    message: 'the first row of the CSV is invalid',
    details: [{ field: 'column 2 "lastnam"', message: 'unknown field; did you mean "lastName"?' }],
  },
  INVALID_ROW: {
    status: 400,
    when: 'rows of an upload are no entities and `invalidRows` is `refuse`, or the rows of a CSV cannot be separated, or the file is the beginning of a download that broke off; `details` names up to 20 of them, and the upload is discarded',
    message: '2 rows of the CSV are invalid',
    details: [
      { field: 'line 17: id', message: 'expected a non-empty string' },
      { field: 'line 23', message: 'expected 4 cells, found 3' },
    ],
  },
  INVALID_ENCODING: {
    status: 400,
    when: 'the body is not text in the encoding that its byte order mark or its `charset` declares (default: UTF-8); `details` names up to 20 lines',
    message: 'the body is not text in its encoding',
    details: [
      {
        field: 'line 2',
        message:
          'expected UTF-8, found the byte E4 after "id,city kd-"; the file looks like Windows-1252, as Excel writes "CSV": declare charset=windows-1252, or save it as "CSV UTF-8"',
      },
    ],
  },
  UNKNOWN_CHARSET: {
    status: 400,
    when: 'the `charset` of the content type is no encoding of the WHATWG Encoding Standard',
    message: 'the declared charset is unknown',
    details: [
      {
        field: 'content-type',
        message:
          'expected a charset of the Encoding Standard, e.g. utf-8, windows-1252 or utf-16le, found "klingon"',
      },
    ],
  },
  INVALID_GZIP: {
    status: 400,
    when: 'the body is not gzip, or not all of it',
    message: 'the body is not gzip, or not all of it',
    details: [
      { field: '(body)', message: 'expected gzip data, complete, and nothing behind its last member' },
    ],
  },
  INVALID_MULTIPART: {
    status: 400,
    when: 'a multipart/form-data body is malformed, or contains anything except one file',
    message: 'the body is not multipart/form-data with one file',
    details: [{ field: '(body)', message: 'expected one file and nothing else, found a further part' }],
  },
  UPLOAD_BROKEN_OFF: {
    status: 400,
    when: 'the body ended too early; the upload is discarded',
    message: 'the upload was broken off',
  },
  UNAUTHENTICATED: {
    status: 401,
    when: 'the installation requires a bearer token, and the request has no valid one',
    message: 'expected a valid bearer token',
  },
  ACCOUNT_FORBIDDEN: {
    status: 403,
    when: "the request names an account that is not the token's",
    message: 'the token is not for this account',
  },
  CROSS_SITE_REQUEST: {
    status: 403,
    when: 'a browser sends the request for a web page of another site (`Sec-Fetch-Site: cross-site`)',
    message: 'a web page of another site may change nothing here',
  },
  ACTION_NOT_FOUND: {
    status: 404,
    when: 'the account has no such action',
    message: 'there is no action 0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6 in this account',
  },
  MAPPING_NOT_FOUND: {
    status: 404,
    when: 'the account has no saved column mapping of this name',
    message: 'there is no column mapping "crm-export" in this account',
  },
  ENTITY_NOT_FOUND: {
    status: 404,
    when: 'the account has no such record',
    message: 'there is no contact contact-1 in this account',
  },
  NOT_FOUND: {
    status: 404,
    when: 'there is nothing at this path',
    message: 'there is nothing at GET /bulk-action',
  },
  WEBHOOKS_DISABLED: {
    status: 404,
    when: 'the installation sends no webhooks',
    message: 'this installation sends no webhooks',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    when: 'the path exists, but not with this method; `Allow` names the possible methods',
    message: 'DELETE is not allowed: expected one of HEAD, GET',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    when: 'nothing of the body arrived for REQUEST_TIMEOUT_MS, or the headers did not arrive within HEADERS_TIMEOUT_MS',
    message: 'the request did not arrive in time',
  },
  ACTION_STATUS_CONFLICT: {
    status: 409,
    when: 'the status of the action does not allow the request',
    message: 'cannot pause action 0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6: it is completed',
    details: { status: 'completed', cancelling: false },
  },
  ACTION_NOT_FINISHED: {
    status: 409,
    when: 'only an action that has ended can be tried again or undone',
    message: 'the action has not ended yet',
    details: { status: 'processing' },
  },
  RETRY_EXPIRED: {
    status: 409,
    when: "the action's entities are no longer stored",
    message: 'the entities of the action are not kept any more',
  },
  UNDO_EXPIRED: {
    status: 409,
    when: 'outcomes of the action to undo are no longer stored',
    message: 'the outcomes of the action are no longer kept',
  },
  INPUT_EXPIRED: {
    status: 409,
    when: 'what was sent for the action is no longer stored, or has more than 1,000 columns',
    message: 'what was sent for the action is no longer kept',
  },
  RETRY_IN_PROGRESS: {
    status: 409,
    retryAfterS: 1,
    when: 'another retry of the same entities was accepted at the same time; nothing was done, send the request again',
    message: 'another retry of the action was accepted at the same time: send the request again',
  },
  TOO_MANY_RETRIES: {
    status: 409,
    when: 'the action and its retries have been retried 1,000 times',
    message: 'an action can be retried 1000 times, its retries included',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    when: 'the key was used for another request',
    message: 'this Idempotency-Key belongs to another request',
  },
  IDEMPOTENCY_IN_PROGRESS: {
    status: 409,
    retryAfterS: 1,
    when: 'a request with this key is in progress; try again after `Retry-After`',
    message: 'a request with this Idempotency-Key is under way',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    when: 'the body, decompressed, or its compression ratio is larger than the limit that the message names',
    message: 'expected a body of at most 8388608 bytes',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    when: 'the operation does not accept this content type, charset or content encoding',
    message: 'expected content-type application/json, found text/plain',
  },
  CALLBACK_URL_FORBIDDEN: {
    status: 422,
    when: 'webhooks may not be sent to this URL',
    message: 'the callback URL is not allowed',
  },
  TOO_MANY_MAPPINGS: {
    status: 422,
    when: 'the account has COLUMN_MAPPINGS_ACCOUNT saved column mappings already',
    message: 'an account may save 100 column mappings; delete one first',
    details: { limit: 100 },
  },
  FILTER_MATCHES_NOTHING: {
    status: 422,
    when: 'no record matches the filter, and the request has `failOnEmpty`',
    message: 'no contact of this account matches the filter',
  },
  FILTER_TIMEOUT: {
    status: 422,
    when: 'the records of a filter were not read within FILTER_TIMEOUT_MS; use a condition on `id` or on a field with an index, or a narrower one',
    message: 'the records of the filter were not read within 300000 ms',
  },
  NOTHING_TO_RETRY: {
    status: 422,
    when: 'nothing is left that the request may try again: no position has failed, none with one of the `codes`, or other retries try or have fixed all of them',
    message: 'no failed position of the action has the code VERSION_CONFLICT',
    details: { codes: ['VERSION_CONFLICT'] },
  },
  NOTHING_TO_UNDO: {
    status: 422,
    when: 'the action has changed no record',
    message: 'the action has changed no record',
  },
  CHANGES_NOT_KEPT: {
    status: 422,
    when: 'the action to undo ran without `changes=values`',
    message: 'the action kept no values: only an action with changes=values can be undone',
    details: { changes: 'none' },
  },
  DRY_RUN_NOT_UNDOABLE: {
    status: 422,
    when: 'the action to undo was a dry run',
    message: 'the action was a dry run and changed nothing',
  },
  RATE_LIMITED: {
    status: 429,
    when: 'the account has sent too many requests; try again after `Retry-After`',
    message: 'the account has made its 10000 requests in 60000 ms; try again in 3 s',
    details: { limit: 10_000, windowMs: 60_000, retryAfterMs: 2_350 },
  },
  ACCOUNT_TOO_BUSY: {
    status: 429,
    retryAfterS: 1,
    when: "requests of the account in progress use the account's whole share of the service; try again after `Retry-After`",
    message: 'an account may use 8 uploads at once; try again',
    details: { limit: 8 },
  },
  QUOTA_EXCEEDED: {
    status: 429,
    when: 'a quota of the account has no room for the request: `unfinished-actions`, `staged-bytes` or `rows-per-day`; the request is discarded. `Retry-After` is present if the time is known',
    message:
      'the account may send 1000000 rows a day and has sent 900000; this request needs at least 102000; the quota is free again at 2026-11-26T00:00:00.000Z, in 7200 s',
    details: {
      quota: 'rows-per-day',
      limit: 1_000_000,
      used: 900_000,
      requested: 102_000,
      retryAfterMs: 7_200_000,
    },
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    when: 'the headers or the query are larger than MAX_HEADER_BYTES',
    message: 'the headers of the request are too large',
  },
  INTERNAL: {
    status: 500,
    when: 'an unexpected fault of the platform',
    message: 'an unforeseen fault; quote the x-request-id of this answer',
  },
  TOO_BUSY: {
    status: 503,
    retryAfterS: 1,
    when: 'other requests in progress use the whole capacity of the service; try again after `Retry-After`',
    message: 'the service takes 16 uploads at once, and all are taken; try again',
  },
  RATE_LIMIT_UNAVAILABLE: {
    status: 503,
    retryAfterS: 1,
    when: 'the rate limit cannot be checked, and this installation then refuses requests',
    message: 'the rate limit cannot be checked now, try again',
  },
  DEPENDENCY_UNAVAILABLE: {
    status: 503,
    retryAfterS: 5,
    when: 'a store or Kafka is unavailable; try again after `Retry-After`. It is unknown whether a POST was carried out. Send every POST with an `Idempotency-Key`, and repeat it with the same key',
    message:
      'a dependency of this service is unavailable; try again, with the same Idempotency-Key if the request changes something',
  },
  SERVICE_STOPPING: {
    status: 503,
    retryAfterS: 1,
    when: 'this instance stops before the body has arrived; the request is discarded, send it again after `Retry-After`',
    message: 'the service is stopping; nothing was changed, send the request again',
  },
} as const satisfies Readonly<
  Record<Exclude<InputErrorCode, 'INVALID_FRAME'>, RestErrorDefinition> & Record<string, RestErrorDefinition>
>;

export type RestErrorCode = keyof typeof REST_ERRORS;

/** Returns the definition of an error code. */
export function restErrorOf(code: RestErrorCode): RestErrorDefinition {
  return REST_ERRORS[code];
}

/** Errors that any request may get. */
export const COMMON_ERRORS: readonly RestErrorCode[] = [
  'ACCOUNT_REQUIRED',
  'ACCOUNT_MISMATCH',
  'INVALID_ACCOUNT',
  'INVALID_REQUEST',
  'UNAUTHENTICATED',
  'ACCOUNT_FORBIDDEN',
  'RATE_LIMITED',
  'HEADERS_TOO_LARGE',
  'INTERNAL',
  'DEPENDENCY_UNAVAILABLE',
  'RATE_LIMIT_UNAVAILABLE',
];

/** Errors that any request that names an action may get. */
export const ACTION_ERRORS: readonly RestErrorCode[] = [...COMMON_ERRORS, 'INVALID_ID', 'ACTION_NOT_FOUND'];
