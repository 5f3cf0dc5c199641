import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DOCS_FILE } from '../config-docs/generated-section.ts';
import { EVENTS_FILE, eventsText } from '../events-docs/generate.ts';
import { apiDocuments } from './api-documents.ts';
import { ASYNCAPI_FILE, asyncApiText, withEndpointTable } from './generate.ts';

const root = resolve(import.meta.dirname, '../../..');
const documents = await apiDocuments(root);
const readme = join(root, DOCS_FILE);
writeFileSync(readme, await withEndpointTable(readFileSync(readme, 'utf8'), documents, root));
console.log(`wrote the table of endpoints of ${DOCS_FILE}`);
writeFileSync(join(root, ASYNCAPI_FILE), await asyncApiText(documents, root));
console.log(`wrote ${ASYNCAPI_FILE}`);
writeFileSync(join(root, EVENTS_FILE), await eventsText(documents.asyncapi, root));
console.log(`wrote ${EVENTS_FILE}`);
