import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { apiDocuments } from './api-documents.ts';
import { endpointTable } from './endpoint-table.ts';
import {
  ASYNCAPI_FILE,
  asyncApiText,
  REST_API_FILE,
  WEBSOCKET_FILE,
  websocketText,
  withEndpointTable,
} from './generate.ts';

const root = resolve(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const documents = await apiDocuments(root);

describe('the documentation in the repository', () => {
  it('has the table of endpoints of the OpenAPI document (else: npm run docs)', async () => {
    const reference = read(REST_API_FILE);
    expect(await withEndpointTable(reference, documents, root)).toBe(reference);
  });

  it('has the AsyncAPI document that is served (else: npm run docs)', async () => {
    expect(await asyncApiText(documents, root)).toBe(read(ASYNCAPI_FILE));
  });

  it('has the WebSocket reference of the AsyncAPI document (else: npm run docs)', async () => {
    expect(await websocketText(documents, root)).toBe(read(WEBSOCKET_FILE));
  });
});

describe('the table of endpoints', () => {
  it('has a row for each operation with its query, bodies and statuses', () => {
    const get = {
      summary: 'Things',
      parameters: [
        { in: 'query', name: 'limit' },
        { in: 'path', name: 'id' },
      ],
    };
    const post = { summary: 'A thing', requestBody: { content: { 'text/csv': {} } } };
    const paths = {
      '/things': {
        get: { ...get, responses: { 200: {}, 400: {} } },
        post: { ...post, responses: { 202: {} } },
      },
    };
    expect(endpointTable({ paths }).split('\n').slice(2)).toEqual([
      '| `GET /things` | Things | `limit` | 200, 400 |',
      '| `POST /things` | A thing | `text/csv` | 202 |',
    ]);
  });

  it('refuses an operation without a description', () => {
    expect(() => endpointTable({ paths: { '/things': { get: { responses: {} } } } })).toThrow('summary');
  });
});
