import { z } from 'zod';
import { json, ok } from '../answers.ts';
import { one } from '../envelopes.ts';
import { COMMON_ERRORS, type RestErrorCode } from '../errors.ts';
import { answered } from '../examples.ts';
import type { Operation } from '../operation.ts';
import {
  csvExportQuerySchema,
  entityPaginationSchema,
  entityRecordSchema,
  exportQuerySchema,
  listEntitiesQuerySchema,
  recordPathSchema,
  recordsPathSchema,
  type EntityRecordView,
} from '../records.ts';
import { accountQuerySchema, successSchema } from '../schemas.ts';
import type { ResultFormat } from './results.ts';

const RECORD: EntityRecordView = {
  id: 'contact-1',
  version: 3,
  createdAt: '2026-11-24T09:00:00.000Z',
  updatedAt: '2026-11-25T10:30:00.000Z',
  lastName: 'Lovelace',
  ownerId: 'user-1',
  tags: ['vip'],
};

const TYPE_ERRORS: readonly RestErrorCode[] = [...COMMON_ERRORS, 'UNKNOWN_ENTITY_TYPE'];
const READ_ERRORS: readonly RestErrorCode[] = [
  ...TYPE_ERRORS,
  'FILTER_TIMEOUT',
  'ACCOUNT_TOO_BUSY',
  'TOO_BUSY',
];

export const GET_ENTITY = {
  method: 'get',
  path: '/entities/{entityType}/{id}',
  operationId: 'getEntity',
  tag: 'Records',
  summary: 'One record with its version',
  description:
    'The record as it is stored. To change it only if nobody else has, send its `version` as `expectedVersion`. The ids `export.csv`, `export.ndjson`, `.` and `..` mean something else in a path: read such a record with a list and `filter={"id":"export.csv"}`.',
  pathParameters: recordPathSchema,
  query: accountQuerySchema,
  success: ok('The record.', json(one(entityRecordSchema), answered(RECORD))),
  errors: [...TYPE_ERRORS, 'ENTITY_NOT_FOUND'],
} as const satisfies Operation;

export const LIST_ENTITIES = {
  method: 'get',
  path: '/entities/{entityType}',
  operationId: 'listEntities',
  tag: 'Records',
  summary: 'The records of a type, by page',
  description:
    'A page of the records that meet the filter. Continue with `after=<pagination.next>` and the same filter and sort until `next` is null. No page repeats a record whose place in the order has not changed. An order by `createdAt` or `updatedAt` reads all records that the filter may match, and so does an order by `id` if an index answers a condition on another field. To read very many records, use the export, which reads them once.',
  pathParameters: recordsPathSchema,
  query: listEntitiesQuerySchema,
  success: ok(
    'A page of records.',
    json(successSchema(z.array(entityRecordSchema)).extend({ pagination: entityPaginationSchema }), {
      answer: { value: { success: true, data: [RECORD], pagination: { limit: 50, next: null } } },
    }),
  ),
  errors: READ_ERRORS,
} as const satisfies Operation;

export const EXPORT_ENTITIES = {
  csv: exported({
    format: 'csv',
    mediaType: 'text/csv',
    operationId: 'exportEntitiesCsv',
    query: csvExportQuerySchema,
    example: 'id,lastName,ownerId,tags\ncontact-1,Lovelace,user-1,"[""vip""]"\n',
    note: ' An absent field is an empty cell, and a list is JSON, as an upload reads both. A text that a spreadsheet would run as a formula or turn into a number or a date gets a leading apostrophe, and so does the text `#N/A`, unless the request has `exact=true`. An upload with `escaped=true` removes it.',
  }),
  ndjson: exported({
    format: 'ndjson',
    mediaType: 'application/x-ndjson',
    operationId: 'exportEntitiesNdjson',
    query: exportQuerySchema,
    example: '{"id":"contact-1","lastName":"Lovelace","ownerId":"user-1","tags":["vip"]}\n',
    note: ' An absent field is left out.',
  }),
};

interface ExportOptions<Query> {
  readonly format: ResultFormat;
  readonly mediaType: string;
  readonly operationId: string;
  readonly query: Query;
  readonly example: string;
  readonly note: string;
}

function exported<Query extends z.ZodObject>(options: ExportOptions<Query>) {
  const { format, mediaType, operationId, query, example, note } = options;
  return {
    method: 'get',
    path: `/entities/{entityType}/export.${format}`,
    operationId,
    tag: 'Records',
    summary: `The records of a type as ${format.toUpperCase()}, streamed`,
    description: `A row for each record that meets the filter, in the order of their ids. Each record is as it is when it is read. The file can be sent as an upload.${note} A download that fails on its way ends with one more row that says \`incomplete\` and why. An upload refuses a file with such a row. Then the connection breaks off without the end of the answer.`,
    pathParameters: recordsPathSchema,
    query,
    success: ok('The records.', {
      [mediaType]: { schema: z.string(), examples: { answer: { value: example } } },
    }),
    errors: READ_ERRORS,
  } as const satisfies Operation;
}
