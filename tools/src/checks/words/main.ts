import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { workspaceFiles } from '../documents/workspace-files.ts';
import { faultsIn } from './count-words.ts';
import { markdownProse, sourceProse } from './prose.ts';

/**
 * Checks the words of the house style: neither Markdown nor TypeScript may hold one of them. Generated references
 * repeat the texts of the code.
 */
const root = resolve(import.meta.dirname, '../../../..');
const GENERATED = new Set(
  ['configuration', 'rest-api', 'websocket', 'events', 'metrics'].map((name) => `docs/reference/${name}.md`),
);
const OWN_FOLDER = 'tools/src/checks/words/';

function check(file: string, proseOf: (text: string) => string): string[] {
  return faultsIn(proseOf(readFileSync(join(root, file), 'utf8'))).map((fault) => `${file}: ${fault}`);
}

const faults = [
  ...workspaceFiles(root, '.md')
    .filter((file) => !GENERATED.has(file))
    .flatMap((file) => check(file, markdownProse)),
  ...workspaceFiles(root, '.ts')
    .filter((file) => !file.includes('/generated/') && !file.startsWith(OWN_FOLDER))
    .flatMap((file) => check(file, sourceProse)),
];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
