import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RIGHTS_FILE, withRightsTable } from './rights-table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const file = join(root, RIGHTS_FILE);
writeFileSync(file, await withRightsTable(readFileSync(file, 'utf8'), root));
console.log(`wrote the table of rights of ${RIGHTS_FILE}`);
