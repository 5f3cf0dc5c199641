import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { METRICS_FILE, withMetricsTable } from './metrics-table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const file = join(root, METRICS_FILE);
writeFileSync(file, await withMetricsTable(readFileSync(file, 'utf8'), root));
console.log(`wrote the table of ${METRICS_FILE}`);
