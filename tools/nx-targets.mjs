/**
 * A plugin of Nx, named in nx.json, that gives each workspace the targets `typecheck`, `lint` and `test`.
 *
 * The `targetDefaults` of nx.json say what the result of a target depends on. A workspace whose targets read more says so
 * in its own package.json.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MANIFEST = '/package.json';
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const run = (command) => ({ command, options: { cwd: '{workspaceRoot}' } });

/** Returns the targets of a workspace. One without unit tests has no `test`, because no test at all is a failure. */
function targetsOf(folder, hasUnitTests) {
  return {
    typecheck: run(`node tools/typecheck.mjs ${folder}`),
    lint: run(`eslint ${folder} --max-warnings=0`),
    // Nx starts several projects at the same time, so each of them gets one worker.
    ...(hasUnitTests && {
      test: run(`node tools/test.mjs unit --maxWorkers=1 --testPathPatterns=./${folder}/src/`),
    }),
  };
}

export const name = 'workspace-targets';

export const createNodesV2 = [
  `{${workspaces.join(',')}}/{package.json,src/**/*.spec.ts}`,
  (files) =>
    files
      .filter((file) => file.endsWith(MANIFEST))
      .map((file) => {
        const folder = file.slice(0, -MANIFEST.length);
        const hasUnitTests = files.some((other) => other.startsWith(`${folder}/src/`));
        return [file, { projects: { [folder]: { targets: targetsOf(folder, hasUnitTests) } } }];
      }),
];
