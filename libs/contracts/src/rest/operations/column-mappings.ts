import { z } from 'zod';
import { json, ok } from '../answers.ts';
import { columnMappingInputSchema, columnMappingSchema, mappingPathSchema } from '../column-mappings.ts';
import { one } from '../envelopes.ts';
import { COMMON_ERRORS } from '../errors.ts';
import { answered } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { accountQuerySchema } from '../schemas.ts';

const INPUT = {
  entityType: 'contact',
  columns: { 'Record ID': 'id', 'E-mail address': 'email', 'Notes (old)': null },
};
const SAVED = { name: 'crm-export', ...INPUT, updatedAt: '2026-11-24T09:00:00.000Z' };

const onAccount = { tag: 'Column mappings', query: accountQuerySchema } as const;
const byName = {
  ...onAccount,
  path: '/column-mappings/{name}',
  pathParameters: mappingPathSchema,
} as const;
const savedMapping = json(one(columnMappingSchema), answered(SAVED));

export const LIST_COLUMN_MAPPINGS = {
  ...onAccount,
  method: 'get',
  path: '/column-mappings',
  operationId: 'listColumnMappings',
  summary: 'The saved column mappings of the account',
  description: 'All mappings of the account, by name.',
  success: ok('The mappings.', json(one(z.array(columnMappingSchema)), answered([SAVED]))),
  errors: COMMON_ERRORS,
} as const satisfies Operation;

export const GET_COLUMN_MAPPING = {
  ...byName,
  method: 'get',
  operationId: 'getColumnMapping',
  summary: 'One saved column mapping',
  description: 'The mapping as it was saved last.',
  success: ok('The mapping.', savedMapping),
  errors: [...COMMON_ERRORS, 'MAPPING_NOT_FOUND'],
} as const satisfies Operation;

export const PUT_COLUMN_MAPPING = {
  ...byName,
  method: 'put',
  operationId: 'putColumnMapping',
  summary: 'Save a column mapping under a name',
  description:
    'Saves how the columns of CSV files map to fields, for the parameter `mapping` of POST /bulk-actions. It replaces the mapping of this name, if there is one. Actions that were started with that one do not change. A mapping is kept until it is deleted.',
  body: json(columnMappingInputSchema, { mapping: { value: INPUT } }),
  success: ok('The saved mapping.', savedMapping),
  errors: [
    ...COMMON_ERRORS,
    'CROSS_SITE_REQUEST',
    'INVALID_JSON',
    'INVALID_GZIP',
    'UNKNOWN_ENTITY_TYPE',
    'REQUEST_TIMEOUT',
    'SERVICE_STOPPING',
    'PAYLOAD_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'UPLOAD_BROKEN_OFF',
    'ACCOUNT_TOO_BUSY',
    'TOO_BUSY',
    'TOO_MANY_MAPPINGS',
  ],
} as const satisfies Operation;

export const DELETE_COLUMN_MAPPING = {
  ...byName,
  method: 'delete',
  operationId: 'deleteColumnMapping',
  summary: 'Delete a saved column mapping',
  description: 'Answers with the mapping that was deleted. Actions that were started with it do not change.',
  success: ok('The deleted mapping.', savedMapping),
  errors: [...COMMON_ERRORS, 'CROSS_SITE_REQUEST', 'MAPPING_NOT_FOUND'],
} as const satisfies Operation;
