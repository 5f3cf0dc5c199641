/**
 * Builds a library for users outside this workspace: `node ../../tools/build-library.mjs` in its folder.
 *
 * Writes the package to dist/: index.js for Node, browser.js for browsers, types/ with the declarations, and a
 * package.json that declares exactly the third-party packages that the bundles import. The package contains what it uses
 * of other workspaces. `src/<package>.browser.ts` replaces a package in browser.js.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleWorkspaces } from './bundle-workspaces.mjs';
import { libraryTypes } from './library-types.mjs';

const folder = process.cwd();
const workspaceRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(folder, 'dist');
const own = readJson(join(folder, 'package.json'));
const packages = Object.entries(own.dependencies).filter(([name]) => !name.startsWith('@bulk/'));
const substitutes = packages
  .map(([name]) => [name, join(folder, 'src', `${name}.browser.ts`)])
  .filter(([, file]) => existsSync(file));

rmSync(dist, { recursive: true, force: true });
const imported = [
  ...(await bundle('index.js', {})),
  ...(await bundle('browser.js', Object.fromEntries(substitutes))),
];
for (const name of imported)
  if (!packages.some(([declared]) => declared === name))
    fail(`the bundle imports ${name}, which package.json does not declare`);
for (const [name] of packages)
  if (!imported.includes(name)) fail(`package.json declares ${name}, which the bundle does not import`);

const { entry, files } = libraryTypes(workspaceRoot, join(folder, 'src', 'index.ts'));
for (const [name, text] of files) write(join('types', name), text);
write('package.json', `${JSON.stringify(manifest(), null, 2)}\n`);
copyFileSync(join(folder, 'README.md'), join(dist, 'README.md'));
copyFileSync(join(workspaceRoot, 'LICENSE'), join(dist, 'LICENSE'));

/** Bundles src/index.ts. @returns the names of the packages that the bundle imports. */
async function bundle(name, alias) {
  const { metafile } = await build({
    absWorkingDir: workspaceRoot,
    entryPoints: [join(folder, 'src', 'index.ts')],
    outfile: join(dist, name),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    sourcemap: true,
    metafile: true,
    logLevel: 'warning',
    packages: 'external',
    alias,
    plugins: [bundleWorkspaces(), dropUnusedModules()],
  });
  return Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
}

/** Drops modules of which nothing is used, such as the Kafka messages. No module of a library acts when it is loaded. */
function dropUnusedModules() {
  return {
    name: 'drop-unused-modules',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => ({
        path: resolve(resolveDir, path),
        sideEffects: false,
      }));
    },
  };
}

function manifest() {
  const { name, version, description, keywords, license } = own;
  return {
    name,
    version,
    description,
    keywords,
    license,
    type: 'module',
    sideEffects: false,
    engines: readJson(join(workspaceRoot, 'package.json')).engines,
    exports: {
      '.': { types: `./types/${entry}`, browser: './browser.js', default: './index.js' },
      './package.json': './package.json',
    },
    files: ['*.js', '*.js.map', 'types'],
    // Versions that were not tested may be installed, so that an application shares its copy with the library.
    dependencies: Object.fromEntries(packages.map(([name, version]) => [name, `^${version}`])),
  };
}

function write(name, text) {
  const file = join(dist, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function fail(message) {
  process.stderr.write(`build of ${own.name}: ${message}\n`);
  process.exit(1);
}
