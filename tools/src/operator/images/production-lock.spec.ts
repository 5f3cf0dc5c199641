import { describe, expect, it } from '@jest/globals';

interface Lock {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, object>>;
}
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}
// Plain JavaScript, because the build runs without a loader.
const path = '../../../production-lock.mjs';
const { productionLock } = (await import(path)) as {
  productionLock: (lock: Lock, folder: string, manifest: Manifest) => Lock;
};

function lockFor(
  packages: Record<string, object>,
  dependencies: Record<string, string> = { a: '1.0.0' },
): Lock {
  const lock = { lockfileVersion: 3, packages: { '': {}, 'services/x': {}, ...packages } };
  return productionLock(lock, 'services/x', { name: '@bulk/x', version: '0.1.0', dependencies });
}
const placesOf = (lock: Lock): string[] => Object.keys(lock.packages).filter((place) => place !== '');

describe('the lock file of a production build', () => {
  it('has exactly the imports of the bundle and their dependencies, as in the workspace', () => {
    const lock = lockFor({
      'node_modules/a': {
        version: '1.0.0',
        integrity: 'sha512-a',
        dev: true,
        dependencies: { b: '^2', c: '1' },
      },
      'node_modules/b': { version: '1.0.0' },
      'node_modules/a/node_modules/b': { version: '2.0.0', dependencies: { d: '1' } },
      'node_modules/c': { version: '1.0.0', dependencies: { a: '1' } },
      'node_modules/d': { version: '1.0.0' },
      'node_modules/unlisted': { version: '1.0.0' },
    });
    expect(placesOf(lock)).toEqual([
      'node_modules/a',
      'node_modules/a/node_modules/b',
      'node_modules/c',
      'node_modules/d',
    ]);
    expect(lock.packages['node_modules/a']).toEqual({
      version: '1.0.0',
      integrity: 'sha512-a',
      dependencies: { b: '^2', c: '1' },
    });
    expect(lock.packages['']).toMatchObject({ name: '@bulk/x', dependencies: { a: '1.0.0' } });
  });

  it('moves packages of the workspace alone to the root of the build', () => {
    const lock = lockFor({
      'services/x/node_modules/a': { version: '1.0.0', dependencies: { b: '1' } },
      'node_modules/a': { version: '9.0.0' },
      'node_modules/b': { version: '1.0.0' },
    });
    expect(lock.packages['node_modules/a']).toMatchObject({ version: '1.0.0' });
    expect(placesOf(lock)).toEqual(['node_modules/a', 'node_modules/b']);
  });

  it('includes required peers and present optional dependencies, but no optional peers', () => {
    const a = {
      version: '1.0.0',
      peerDependencies: { peer: '1', extra: '1' },
      peerDependenciesMeta: { extra: { optional: true } },
      optionalDependencies: { native: '1', absent: '1' },
    };
    const others = { 'node_modules/peer': {}, 'node_modules/extra': {}, 'node_modules/native': {} };
    expect(placesOf(lockFor({ 'node_modules/a': a, ...others }))).toEqual([
      'node_modules/a',
      'node_modules/native',
      'node_modules/peer',
    ]);
  });

  it('refuses missing packages, and two packages at one place', () => {
    expect(() => lockFor({})).toThrow('a, needed by services/x, is not in package-lock.json');
    expect(() =>
      lockFor(
        {
          'services/x/node_modules/a': {},
          'node_modules/a': {},
          'node_modules/b': { dependencies: { a: '1' } },
        },
        { a: '1.0.0', b: '1.0.0' },
      ),
    ).toThrow('are both needed at node_modules/a');
  });
});
