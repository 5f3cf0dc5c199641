import { describe, expect, it } from '@jest/globals';
import { createRegistry, parseFilter } from '@bulk/action-types';
import { OPERATIONS, REQUESTS, type Body, type Operation } from '@bulk/contracts';
import { checkMatchBy, rowIdentityOf } from '../matching/match-rule.ts';
import { parseCreateRequest } from '../submission/parse-request.ts';
import { catalogOf } from './catalog.ts';
import { createOpenApiDocument } from './document.ts';
import { documentedOperations } from './documented-operations.ts';

const registry = createRegistry();
const operations = documentedOperations(catalogOf(registry));

function documented(list: readonly Operation[]): string[] {
  return list.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
}

describe('the documented operations', () => {
  it('have operation ids that equal the keys of their declarations', () => {
    expect(Object.entries(OPERATIONS).map(([id, { operationId }]) => [id, operationId])).toEqual(
      Object.keys(OPERATIONS).map((id) => [id, id]),
    );
  });

  it('have unique names', () => {
    const all = operations;
    const ids = all.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(documented(all)).size).toBe(all.length);
  });

  it.each(operations)('$operationId has examples that match its schemas', (operation) => {
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

describe('the OpenAPI document', () => {
  it('includes every operation and resolves every reference', () => {
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
  const known = registry.requestable.map(({ actionType }) => actionType);
  const shown = Object.entries(REQUESTS).filter(([, { value }]) => known.includes(value.actionType));

  it.each(shown)('includes %s, which the API accepts unchanged', async (_name, { value }) => {
    const { parameters, entities, target } = await parseCreateRequest(
      { rest: value, entities: value.entities },
      { maxEntities: 100, maxEntityBytes: 1_000 },
      (given) => rowIdentityOf(registry, given),
    );
    const entityType = registry.entityType(parameters.entityType);
    checkMatchBy(registry.handler(parameters.actionType), entityType, parameters.matchBy);
    const { config } = parameters;
    await expect(
      registry.handler(parameters.actionType).validatePayload({ entityType, config }),
    ).resolves.toBeDefined();
    if (target === undefined) expect(entities.length).toBeGreaterThan(0);
    else expect(parseFilter(entityType, target.filter)).toMatchObject({ ok: true });
  });
});
