import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { workspaceFiles } from '../documents/workspace-files.ts';
import { countWords, excesses, lowered, sumCounts, type WordCounts } from './count-words.ts';
import { markdownProse, sourceProse } from './prose.ts';

/**
 * Checks the words of the house style. Markdown may hold none of them. The number of hits per word in TypeScript may
 * only fall: `allowed.json` holds it, and `--update` lowers it. Generated references repeat the texts of the code.
 */
const root = resolve(import.meta.dirname, '../../../..');
const ALLOWED_FILE = join(import.meta.dirname, 'allowed.json');
const GENERATED = new Set(
  ['configuration', 'rest-api', 'websocket', 'events', 'metrics'].map((name) => `docs/reference/${name}.md`),
);
const OWN_FOLDER = 'tools/src/checks/words/';

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const faults = workspaceFiles(root, '.md')
  .filter((file) => !GENERATED.has(file))
  .flatMap((file) => excesses(countWords(markdownProse(read(file))), {}).map((fault) => `${file}: ${fault}`));

const found = sumCounts(
  workspaceFiles(root, '.ts')
    .filter((file) => !file.includes('/generated/') && !file.startsWith(OWN_FOLDER))
    .map((file) => countWords(sourceProse(read(file)))),
);
const allowed: WordCounts = existsSync(ALLOWED_FILE)
  ? z.record(z.string(), z.int()).parse(JSON.parse(readFileSync(ALLOWED_FILE, 'utf8')))
  : found;
faults.push(...excesses(found, allowed).map((fault) => `*.ts: ${fault}`));

if (process.argv.includes('--update')) {
  writeFileSync(ALLOWED_FILE, `${JSON.stringify(lowered(found, allowed), null, 2)}\n`);
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
