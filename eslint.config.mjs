import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import globals from 'globals';
import tseslint from 'typescript-eslint';
import { noImportCircles } from './tools/import-circles.mjs';

/** Who may import whom: domain ← contracts ← adapters ← services. Tags are in each project's package.json. */
const boundaries = [
  { sourceTag: 'type:domain', onlyDependOnLibsWithTags: [], allowedExternalImports: ['zod'] },
  {
    sourceTag: 'type:contract',
    onlyDependOnLibsWithTags: ['type:domain'],
    allowedExternalImports: ['zod', 'avsc'],
  },
  {
    sourceTag: 'type:action-types',
    onlyDependOnLibsWithTags: ['type:domain'],
    allowedExternalImports: ['zod'],
  },
  {
    sourceTag: 'type:uploads',
    onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'type:action-types'],
    allowedExternalImports: ['zod', 'csv-parse', 'csv-parse/*'],
  },
  {
    sourceTag: 'type:runtime',
    onlyDependOnLibsWithTags: ['type:domain'],
    allowedExternalImports: ['zod', 'pino', 'pino-pretty', 'prom-client', '@opentelemetry/*'],
  },
  {
    sourceTag: 'type:adapter',
    onlyDependOnLibsWithTags: ['type:domain', 'type:contract', 'type:action-types', 'type:runtime'],
    bannedExternalImports: ['koa*', '@koa/*', 'inversify', 'ws'],
  },
  {
    sourceTag: 'type:client',
    onlyDependOnLibsWithTags: ['type:contract', 'type:domain'],
    allowedExternalImports: ['zod', 'ws'],
  },
  {
    sourceTag: 'type:service',
    onlyDependOnLibsWithTags: [
      'type:domain',
      'type:contract',
      'type:action-types',
      'type:runtime',
      'type:adapter',
      'type:uploads',
      'type:testing',
    ],
  },
  { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
  // A stranger's program: it knows our topics, and none of our code.
  {
    sourceTag: 'type:example',
    onlyDependOnLibsWithTags: [],
    allowedExternalImports: ['kafkajs', '@kafkajs/confluent-schema-registry'],
  },
];

/** The tests of these libraries use the harness, which uses the libraries. */
const ignoredCircularDependencies = ['@bulk/kafka', '@bulk/mongo', '@bulk/redis', '@bulk/runtime'].map(
  (lib) => ['@bulk/testing', lib],
);

const boundaryOptions = {
  allow: [],
  ignoredCircularDependencies,
  // tools/test.mjs imports it late, because it has to register tsx first.
  checkDynamicDependenciesExceptions: ['@bulk/local-stack'],
};

/** Tests may use any lib and any package; a service still imports no other service. */
const testBoundaries = [
  { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['*'] },
  ...['domain', 'contract', 'action-types', 'uploads', 'runtime', 'adapter', 'client', 'service'].map(
    (type) => ({
      sourceTag: `type:${type}`,
      notDependOnLibsWithTags: ['type:service'],
    }),
  ),
];

/** The rooms of a library or service, each of which may import only those before it. */
const rooms = {
  'libs/contracts/src': ['generated', 'kafka', 'rest', 'websocket', 'webhooks', 'asyncapi'],
  'libs/kafka/src': ['kafkajs-patches', 'client', 'admin', 'registry', 'producer', 'consumer'],
  'services/intake/src': [
    'http',
    'webhooks',
    'actions',
    'clean-up',
    'quotas',
    'control',
    'reading',
    'dispatch',
    'submission',
    'documentation',
  ],
  'services/handler/src': ['application', 'dead-letters', 'retry', 'lanes', 'consumption'],
  'services/stats-aggregator/src': ['accounting', 'consumption', 'upkeep'],
  'services/notifier/src': ['limits', 'progress-feed', 'webhooks', 'subscriptions', 'connection', 'server'],
  'tools/src': [
    'console',
    'processes',
    'installation',
    'checks',
    'operator',
    'generators',
    'development',
    'bench',
  ],
};

/** The composition root of a service, beside its rooms, imports them. No room imports the root. */
const rootBoundary = {
  regex: String.raw`^(\.\./)+[^/]+\.ts$`,
  message: 'a room imports no file of the composition root',
};

const roomBoundaries = Object.entries(rooms).flatMap(([src, names]) =>
  names.map((name, i) => {
    const later = names.slice(i + 1).map((room) => ({
      regex: String.raw`^(\.\./)+${room}/`,
      message: `${src}/${name} comes before that room`,
    }));
    const patterns = src.startsWith('services/') ? [...later, rootBoundary] : later;
    return {
      files: [`${src}/${name}/**/*.ts`],
      rules: { 'no-restricted-imports': ['error', { patterns }] },
    };
  }),
);

export default tseslint.config(
  { ignores: ['**/dist', '**/node_modules', '.nx', '.stack', 'coverage'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx, workspace: { rules: { 'no-import-circles': noImportCircles } } },
    rules: {
      'workspace/no-import-circles': 'error',
      '@nx/enforce-module-boundaries': ['error', { ...boundaryOptions, depConstraints: boundaries }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/test/**/*.ts', '**/*.spec.ts', 'e2e/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': ['error', { ...boundaryOptions, depConstraints: testBoundaries }],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  ...roomBoundaries,
  { files: ['**/*.mjs'], languageOptions: { globals: globals.node } },
  prettier,
);
