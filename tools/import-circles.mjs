/**
 * A rule of ESLint: no file imports itself by way of others, not even for a type.
 *
 * It follows relative imports only. `@nx/enforce-module-boundaries` holds the imports between workspaces.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';

const RELATIVE_IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^;'"]*?\sfrom\s+)?['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/g;

/** What a file imports, by its path; read again when the file has changed, because an editor keeps this process. */
const known = new Map();

function importsOf(file) {
  if (!existsSync(file)) return [];
  const { mtimeMs } = statSync(file);
  const before = known.get(file);
  if (before?.mtimeMs === mtimeMs) return before.imports;
  const imports = [...readFileSync(file, 'utf8').matchAll(RELATIVE_IMPORT)].map(([, from, lazy]) =>
    resolve(dirname(file), from ?? lazy),
  );
  known.set(file, { mtimeMs, imports });
  return imports;
}

/** Returns the shortest way from one file to another by imports, both included; undefined if there is none. */
function wayBetween(from, to) {
  const cameFrom = new Map([[from, undefined]]);
  for (const file of cameFrom.keys()) {
    if (file === to) {
      const way = [];
      for (let at = to; at !== undefined; at = cameFrom.get(at)) way.unshift(at);
      return way;
    }
    for (const next of importsOf(file)) if (!cameFrom.has(next)) cameFrom.set(next, file);
  }
  return undefined;
}

export const noImportCircles = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { circle: 'This import closes a circle: {{way}}' },
  },
  create(context) {
    const check = ({ source }) => {
      if (typeof source?.value !== 'string' || !source.value.startsWith('.')) return;
      const way = wayBetween(resolve(dirname(context.filename), source.value), context.filename);
      if (way === undefined) return;
      const names = way.map((file) => relative(context.cwd, file));
      context.report({ node: source, messageId: 'circle', data: { way: names.join(' → ') } });
    };
    return {
      ImportDeclaration: check,
      ExportAllDeclaration: check,
      ExportNamedDeclaration: check,
      ImportExpression: check,
    };
  },
};
