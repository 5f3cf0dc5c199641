import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CONFIGURATION_FILE, withConfigTable } from './config-table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const file = join(root, CONFIGURATION_FILE);
writeFileSync(file, await withConfigTable(readFileSync(file, 'utf8'), root));
console.log(`wrote the configuration table of ${CONFIGURATION_FILE}`);
