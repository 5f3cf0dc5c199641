import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { workspaceRoot } from '@bulk/local-stack';
import { build } from 'esbuild';

/** One step of a walk-through: a file to write, or a change of one. */
export interface Step {
  readonly path: string;
  readonly kind: 'file' | 'diff';
  readonly text: string;
}

/** A step is a marker that names the file, and a code block after it: the whole file, or a diff. */
const STEP = /<!-- walk-through: (\S+) -->\n\s*\n( *)```(ts|diff)\n([\s\S]*?)\n\2```/g;

/** Returns the steps of all walk-throughs of a guide, in its order. */
export function readSteps(guide: string): Step[] {
  return [...guide.matchAll(STEP)].map(([, path = '', indent = '', language, body = '']) => ({
    path,
    kind: language === 'diff' ? 'diff' : 'file',
    text: body
      .split('\n')
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
      .join('\n'),
  }));
}

/**
 * Copies libs/action-types and follows the walk-throughs in it, inside the workspace so that packages
 * are found.
 */
export function followIn(folder: string, steps: readonly Step[]): string {
  const actions = join('libs', 'action-types');
  cpSync(join(workspaceRoot, actions), join(folder, actions), { recursive: true });
  for (const { path, kind, text } of steps) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, kind === 'file' ? `${text}\n` : applyDiff(readFileSync(file, 'utf8'), text, path));
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: relative(folder, join(workspaceRoot, 'tsconfig.base.json')),
      include: ['libs/action-types/src'],
      exclude: ['**/*.spec.ts'],
    }),
  );
  return join(folder, actions);
}

/**
 * Applies a diff.
 *
 * An added line after a removed one takes its place, and one after a kept line comes after that.
 * Any other goes to the top, as an import does.
 */
function applyDiff(source: string, diff: string, path: string): string {
  let text = source;
  let before: { readonly content: string; readonly stays: boolean } | undefined;
  for (const line of diff.split('\n')) {
    const content = line.slice(1);
    if (!line.startsWith('+')) {
      if (!text.includes(`${content}\n`)) throw new Error(`${path} has no line: ${content}`);
      before = { content, stays: line.startsWith(' ') };
    } else if (before === undefined) {
      text = `${content}\n${text}`;
    } else {
      const kept = before.stays ? `${before.content}\n` : '';
      text = text.replace(`${before.content}\n`, `${kept}${content}\n`);
      before = undefined;
    }
  }
  return text;
}

/**
 * Builds a service with the changed libs/action-types instead of the workspace's.
 *
 * @returns the path of the bundle.
 */
export async function buildWith(service: string, folder: string, actions: string): Promise<string> {
  const outfile = join(folder, service, 'main.js');
  await build({
    absWorkingDir: workspaceRoot,
    entryPoints: [join(workspaceRoot, 'services', service, 'src', 'main.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
    plugins: [
      {
        name: 'changed-actions',
        setup(build) {
          build.onResolve({ filter: /^@bulk\// }, ({ path, resolveDir }) => ({
            path:
              path === '@bulk/action-types'
                ? join(actions, 'src', 'index.ts')
                : createRequire(join(resolveDir, 'importer.js')).resolve(path),
          }));
        },
      },
    ],
  });
  return outfile;
}
