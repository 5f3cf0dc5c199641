import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createRegistry } from '@bulk/actions';
import { createRouter, type RoutesOptions } from '../http/routes.ts';
import { parseCreateRequest } from '../actions/parse-request.ts';
import { catalogOf } from './catalog.ts';
import { createOpenApiDocument } from './document.ts';
import { ERRORS } from './errors.ts';
import { REQUESTS } from './examples.ts';
import type { Body, Operation } from './operation.ts';
import { operationsOf } from './operations.ts';

const registry = createRegistry();
const operations = operationsOf(catalogOf(registry));
const root = resolve(import.meta.dirname, '../../../..');

/** Whatever is asked of it, it gives itself, and a number where one is needed: routes are made, never called. */
const anything: object = new Proxy(() => undefined, {
  get: (_target, key) => (key === Symbol.toPrimitive ? () => 1_000 : anything),
  apply: () => anything,
});

/** `GET /bulk-actions/{id}` of every route. */
function routed(): string[] {
  return createRouter(anything as RoutesOptions).stack.flatMap(({ methods, path }) =>
    methods
      .filter((method) => method !== 'HEAD')
      .map((method) => `${method} ${String(path).replaceAll(/:(\w+)/g, '{$1}')}`),
  );
}

function documented(list: readonly Operation[]): string[] {
  return list.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
}

describe('the documented operations', () => {
  it('are the ones that are routed', () => {
    expect(documented(operations).sort()).toEqual(routed().sort());
  });

  it('have each a name of its own', () => {
    const all = operations;
    const ids = all.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(documented(all)).size).toBe(all.length);
  });

  it.each(operations)('$operationId shows answers that its own schemas accept', (operation) => {
    for (const [mediaType, { schema, examples }] of bodiesOf(operation)) {
      expect(Object.keys(examples)).not.toEqual([]);
      for (const { value } of Object.values(examples)) {
        expect([mediaType, schema.safeParse(value).error?.issues ?? []]).toEqual([mediaType, []]);
      }
    }
  });
});

function bodiesOf({ body, success }: Operation): [string, Body][] {
  return [...Object.entries(body ?? {}), ...Object.entries(success.content)];
}

describe('the document', () => {
  it('can be made of all operations, and refers to nothing that it lacks', () => {
    const document = createOpenApiDocument({ catalog: catalogOf(registry), operations, version: '1' });
    const text = JSON.stringify(document);
    const references = new Set(
      [...text.matchAll(/"#\/components\/(\w+)\/([^"]+)"/g)].map(([, kind, name]) => `${kind!}/${name!}`),
    );
    const parts = Object.entries(document.components ?? {}).flatMap(([kind, items]) =>
      Object.keys(items as object).map((name) => `${kind}/${name}`),
    );
    expect(references.size).toBeGreaterThan(10);
    expect([...references].filter((reference) => !parts.includes(reference))).toEqual([]);
    expect(parts).toEqual(expect.arrayContaining(['schemas/UpdateConfig', 'schemas/ContactPatch']));
  });
});

describe('the examples of POST /bulk-actions', () => {
  const known = registry.handlers.map(({ actionType }) => actionType);
  const shown = Object.entries(REQUESTS).filter(([, { value }]) => known.includes(value.actionType));

  it.each(shown)('%s is accepted as it is', async (_name, { value }) => {
    const { parameters, entities } = await parseCreateRequest(
      { rest: value, entities: value.entities },
      { maxEntities: 100, maxEntityBytes: 1_000 },
    );
    const entityType = registry.entityType(parameters.entityType);
    const { config } = parameters;
    await expect(
      registry.handler(parameters.actionType).validatePayload({ entityType, config }),
    ).resolves.toBeDefined();
    expect(entities.length).toBeGreaterThan(0);
  });
});

describe('the error codes', () => {
  it('that the code throws to a client are all documented', () => {
    const thrown = new Map<string, string>();
    for (const folder of ['services/intake/src', 'libs/actions/src', 'libs/auth/src']) {
      for (const file of sourcesIn(join(root, folder))) {
        const text = readFileSync(file, 'utf8');
        for (const [, code] of text.matchAll(
          /(?:new (?:HttpRefusal|InvalidInputError|RefusedError)|refusedCallback)\(\s*(?:(?:\d+|'[a-z-]+'),\s*)?'([A-Z]\w+)'/g,
        )) {
          thrown.set(code!, file.slice(root.length + 1));
        }
      }
    }
    expect(thrown.size).toBeGreaterThan(8);
    expect([...thrown].filter(([code]) => !(code in ERRORS))).toEqual([]);
  });
});

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => join(folder, name));
}
