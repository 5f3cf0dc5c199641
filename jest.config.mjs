/** Shared by every jest project: ESM TypeScript through swc; workspaces resolve through their package exports. */
const base = {
  testEnvironment: '<rootDir>/tools/jest-environment.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  modulePathIgnorePatterns: ['/dist/', '/.stack/', '/.nx/'],
};

const places = ['libs', 'services', 'deploy', 'tools'];

/** How tests are run, with the real parts started around them: tools/test.mjs. */
export default {
  // A project's own would not be heeded; tools/test.mjs gives the end-to-end tests more.
  testTimeout: 60_000,
  projects: [
    // Pure logic, beside the code it tests.
    {
      ...base,
      displayName: 'unit',
      testMatch: places.map((p) => `<rootDir>/${p}/**/src/**/*.spec.ts`),
    },
    // Against the real Kafka, Schema Registry, MongoDB and Redis.
    {
      ...base,
      displayName: 'integration',
      testMatch: places.map((p) => `<rootDir>/${p}/**/test/**/*.test.ts`),
    },
    // The four services as processes.
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/e2e/*.e2e.ts'],
    },
  ],
};
