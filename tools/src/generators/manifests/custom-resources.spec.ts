import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { CustomResources } from './custom-resources.ts';

const folder = mkdtempSync(join(tmpdir(), 'bulk-definitions-'));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(
  join(folder, 'a.yaml'),
  stringify({
    kind: 'CustomResourceDefinition',
    spec: {
      group: 'example.com',
      names: { kind: 'Toy' },
      versions: [
        {
          name: 'v1',
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: {
                  type: 'object',
                  required: ['color'],
                  properties: {
                    color: { type: 'string', enum: ['red', 'green'] },
                    mood: { type: 'string', pattern: '^(?i)(glad|sad)$' },
                    size: { 'x-kubernetes-int-or-string': true },
                    options: { type: 'object', additionalProperties: { type: 'string' } },
                    parts: {
                      type: 'array',
                      items: { type: 'object', properties: { name: { type: 'string' } } },
                    },
                  },
                },
              },
            },
          },
        },
      ],
    },
  }),
);
const resources = new CustomResources(folder);
const toy = (spec: object) => ({
  apiVersion: 'example.com/v1',
  kind: 'Toy',
  metadata: { name: 'toy', labels: { any: 'label' } },
  spec,
});

describe('the schemas of custom resources', () => {
  it('accept an object that fits', () => {
    const spec = {
      color: 'red',
      mood: 'Glad',
      size: '3',
      options: { any: 'text' },
      parts: [{ name: 'arm' }],
    };
    expect(resources.faultsOf(toy(spec))).toEqual([]);
    expect(resources.faultsOf(toy({ color: 'green', size: 3 }))).toEqual([]);
  });

  it.each([
    ['an unknown field', { color: 'red', colour: 'red' }, 'spec'],
    ['an unknown field in a list', { color: 'red', parts: [{ nam: 'arm' }] }, 'spec.parts.0'],
    ['a missing field', {}, 'spec.color'],
    ['a value that is not listed', { color: 'blue' }, 'spec.color'],
    ['a number where text is expected', { color: 'red', options: { any: 1 } }, 'spec.options.any'],
  ])('refuse %s', (_what, spec, path) => {
    expect(resources.faultsOf(toy(spec))).toEqual([expect.stringMatching(`^${path}: `)]);
  });

  it('refuse a kind without a schema', () => {
    const other = { ...toy({ color: 'red' }), apiVersion: 'example.com/v2' };
    expect(resources.has(other)).toBe(false);
    expect(resources.faultsOf(other)).toEqual(['no schema of example.com/v2 Toy']);
  });
});
