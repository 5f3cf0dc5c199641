import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EVENTS_FILE, eventsText } from '../events-docs/generate.ts';
import { apiDocuments } from './api-documents.ts';
import {
  ASYNCAPI_FILE,
  asyncApiText,
  REST_API_FILE,
  WEBSOCKET_FILE,
  websocketText,
  withEndpointTable,
} from './generate.ts';

const root = resolve(import.meta.dirname, '../../../..');
const documents = await apiDocuments(root);
const restApi = join(root, REST_API_FILE);
writeFileSync(restApi, await withEndpointTable(readFileSync(restApi, 'utf8'), documents, root));
console.log(`wrote the table of endpoints of ${REST_API_FILE}`);
writeFileSync(join(root, WEBSOCKET_FILE), await websocketText(documents, root));
console.log(`wrote ${WEBSOCKET_FILE}`);
writeFileSync(join(root, ASYNCAPI_FILE), await asyncApiText(documents, root));
console.log(`wrote ${ASYNCAPI_FILE}`);
writeFileSync(join(root, EVENTS_FILE), await eventsText(documents.asyncapi, root));
console.log(`wrote ${EVENTS_FILE}`);
