/**
 * The part of the workspace's package-lock.json that one production build needs: the packages its bundle imports and all
 * that those need, in the versions and with the checksums that the tests ran with.
 */

/**
 * @param {{ lockfileVersion: number, packages: Record<string, object> }} lock the workspace's
 * @param {string} folder of the build's workspace, relative to the root, e.g. `services/intake`
 * @param {{ name: string, version: string, dependencies: Record<string, string> }} manifest of the build
 * @returns a package-lock.json to lie beside that manifest, for `npm ci`
 * @throws Error when a package is not in the lock, or two of them would lie at the same place
 */
export function productionLock(lock, folder, manifest) {
  const own = `${folder}/`;
  const packages = {};
  const sources = new Map();
  const open = Object.keys(manifest.dependencies).map((name) => locate(lock, folder, name, false));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    // What only this workspace has lies beside what all have: the build is the root of its own tree.
    const place = at.startsWith(own) ? at.slice(own.length) : at;
    const known = sources.get(place);
    if (known === at) continue;
    if (known !== undefined) throw new Error(`${known} and ${at} are both needed at ${place}`);
    sources.set(place, at);
    packages[place] = withoutDevFlags(lock.packages[at]);
    for (const { name, optional } of needs(lock.packages[at])) {
      const found = locate(lock, at, name, optional);
      if (found !== undefined) open.push(found);
    }
  }
  const { name, version, dependencies, engines } = manifest;
  return {
    name,
    version,
    lockfileVersion: lock.lockfileVersion,
    requires: true,
    packages: {
      '': { name, version, dependencies, engines },
      ...Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

/** Where Node finds the package from there: in the nearest node_modules upwards. */
function locate(lock, from, name, optional) {
  for (let at = from; ; at = parentOf(at)) {
    const candidate = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (lock.packages[candidate] !== undefined) return candidate;
    if (at === '') break;
  }
  if (optional) return undefined;
  throw new Error(`${name}, needed by ${from}, is not in package-lock.json`);
}

/** The next folder upwards that may have a node_modules: that of the package around, or the root. */
function parentOf(at) {
  const end = at.lastIndexOf('/node_modules/');
  return end === -1 ? '' : at.slice(0, end);
}

function needs({
  dependencies = {},
  optionalDependencies = {},
  peerDependencies = {},
  peerDependenciesMeta = {},
}) {
  return [
    ...Object.keys(dependencies).map((name) => ({ name, optional: name in optionalDependencies })),
    ...Object.keys(optionalDependencies).map((name) => ({ name, optional: true })),
    // An optional peer is only used by who has declared it, and then it is a dependency of its own.
    ...Object.keys(peerDependencies)
      .filter((name) => peerDependenciesMeta[name]?.optional !== true)
      .map((name) => ({ name, optional: false })),
  ];
}

/** In the workspace a package may be there for development too; here nothing is. */
function withoutDevFlags(entry) {
  const { dev, devOptional, peer, ...rest } = entry;
  void dev;
  void devOptional;
  void peer;
  return rest;
}
