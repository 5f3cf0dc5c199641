import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { withConfigTable } from './config-table.ts';
import { DOCS_FILE } from './generated-section.ts';

const root = resolve(import.meta.dirname, '../../..');
const file = join(root, DOCS_FILE);
writeFileSync(file, await withConfigTable(readFileSync(file, 'utf8'), root));
console.log(`wrote the configuration table of ${DOCS_FILE}`);
