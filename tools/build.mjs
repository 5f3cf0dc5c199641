/**
 * Production build of one workspace: `node ../../tools/build.mjs [entry]` in its folder; the entry is src/main.ts.
 *
 * Bundles it and the @bulk/* workspaces that it uses into dist/main.js, and writes dist/package.json with exactly the
 * third-party packages which the bundle imports, and dist/package-lock.json with them and what they need. A copy of dist/
 * needs `npm ci` and Node, and nothing of this workspace.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleWorkspaces } from './bundle-workspaces.mjs';
import { productionLock } from './production-lock.mjs';

const EXACT_VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

const folder = process.cwd();
const entry = process.argv[2] ?? join('src', 'main.ts');
const workspaceRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const outfile = join(folder, 'dist', 'main.js');

rmSync(dirname(outfile), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: workspaceRoot,
  entryPoints: [join(folder, entry)],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
  packages: 'external',
  plugins: [bundleWorkspaces()],
});

const own = readPackage(folder);
const manifest = {
  name: own.name,
  version: own.version,
  private: true,
  type: 'module',
  main: 'main.js',
  engines: readPackage(workspaceRoot).engines,
  scripts: { start: 'node --enable-source-maps main.js' },
  dependencies: productionDependencies(metafile),
};
writeJson('package.json', manifest);
writeJson('package-lock.json', lockOf(manifest));

function writeJson(name, value) {
  writeFileSync(join(folder, 'dist', name), `${JSON.stringify(value, null, 2)}\n`);
}

function lockOf(ours) {
  const lock = JSON.parse(readFileSync(join(workspaceRoot, 'package-lock.json'), 'utf8'));
  try {
    return productionLock(lock, relative(workspaceRoot, folder), ours);
  } catch (error) {
    return fail(error.message);
  }
}

/** Package name → exact version, as declared by the workspaces whose code is in the bundle. */
function productionDependencies({ inputs, outputs }) {
  const results = Object.values(outputs);
  const bundled = new Set(results.flatMap((output) => Object.keys(output.inputs)));
  // What tree shaking has removed is not needed.
  const kept = new Set(results.flatMap((output) => output.imports.map(({ path }) => path)));
  const versions = new Map();
  for (const [file, { imports }] of Object.entries(inputs)) {
    if (!bundled.has(file)) continue;
    for (const { path, external } of imports) {
      if (external !== true || isBuiltin(path) || !kept.has(path)) continue;
      const name = packageName(path);
      const version = declaredVersion(name, file);
      const other = versions.get(name);
      if (other !== undefined && other !== version)
        fail(`${name}: both ${other} and ${version} are declared`);
      checkInstalled(name, version);
      versions.set(name, version);
    }
  }
  return Object.fromEntries([...versions].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The version that the workspace of `file` declares for the package it imports. */
function declaredVersion(name, file) {
  const workspace = workspaceOf(resolve(workspaceRoot, file));
  const version = readPackage(workspace).dependencies?.[name];
  if (version === undefined) fail(`${file} imports ${name}, which its package.json does not declare`);
  if (!EXACT_VERSION.test(version))
    fail(`${file}: ${name} is declared as ${version}, expected an exact version`);
  return version;
}

/** The bundle finds packages from its own place, which must be the same ones that the tests ran with. */
function checkInstalled(name, version) {
  for (let at = dirname(outfile); ; at = dirname(at)) {
    const installed = tryReadPackage(join(at, 'node_modules', name));
    if (installed?.version === version) return;
    if (installed !== undefined) fail(`${name} ${version} is declared and ${installed.version} is installed`);
    if (at === workspaceRoot) fail(`${name} ${version} is not installed where the bundle finds it: npm ci`);
  }
}

function workspaceOf(file) {
  let at = dirname(file);
  while (tryReadPackage(at) === undefined) at = dirname(at);
  return at;
}

function packageName(path) {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}

function readPackage(at) {
  return JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
}

function tryReadPackage(at) {
  try {
    return readPackage(at);
  } catch {
    return undefined;
  }
}

function fail(message) {
  process.stderr.write(`build of ${folder.slice(workspaceRoot.length + 1)}: ${message}\n`);
  process.exit(1);
}
