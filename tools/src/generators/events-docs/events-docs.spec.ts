import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { apiDocuments } from '../api-docs/api-documents.ts';
import { fieldRows } from './avro-fields.ts';
import { EVENTS_FILE, eventsText } from './generate.ts';

const root = resolve(import.meta.dirname, '../../../..');
const { asyncapi } = await apiDocuments(root);
const text = await eventsText(asyncapi, root);

describe('docs/reference/events.md', () => {
  it('equals the output for the AsyncAPI document (else: npm run docs)', () => {
    expect(readFileSync(join(root, EVENTS_FILE), 'utf8')).toBe(text);
  });

  it('describes every field of every schema', () => {
    for (const file of readdirSync(join(root, 'schemas'))) {
      const schema: unknown = JSON.parse(readFileSync(join(root, 'schemas', file), 'utf8'));
      const { name } = z.object({ name: z.string() }).parse(schema);
      const section = text.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
      const missing = fieldRows(schema).filter(
        ({ path, doc }) =>
          !section.split('\n').some((line) => line.includes(`| \`${path}\``) && line.includes(doc)),
      );
      expect([file, missing]).toEqual([file, []]);
    }
  });

  it('contains every topic', () => {
    const { channels } = z
      .object({ channels: z.record(z.string(), z.object({ address: z.string() })) })
      .parse(asyncapi);
    const topics = Object.values(channels).filter(({ address }) => address !== '/');
    expect(topics.length).toBeGreaterThan(0);
    for (const { address } of topics) expect(text).toContain(`\n## ${address}\n`);
  });
});

describe('the fields of a schema', () => {
  it('are named by their path, with type and default, including inner records', () => {
    const item = {
      type: 'record',
      name: 'Item',
      fields: [{ name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'When.' }],
    };
    const fields = [
      { name: 'items', type: { type: 'array', items: item }, doc: 'All.' },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['a', 'b'] }, doc: 'Which.' },
      { name: 'note', type: ['null', 'string'], default: null, doc: 'Why.' },
      { name: 'byName', type: { type: 'map', values: 'bytes' }, doc: 'By name.' },
    ];
    expect(fieldRows({ type: 'record', name: 'Whole', fields })).toEqual([
      { path: 'items', type: 'array of Item', fallback: undefined, doc: 'All.' },
      { path: 'items[].at', type: 'long (timestamp-millis)', fallback: undefined, doc: 'When.' },
      { path: 'kind', type: 'enum: `a`, `b`', fallback: undefined, doc: 'Which.' },
      { path: 'note', type: 'null or string', fallback: 'null', doc: 'Why.' },
      { path: 'byName', type: 'map of bytes', fallback: undefined, doc: 'By name.' },
    ]);
  });

  it('are refused when one has no description', () => {
    const fields = [{ name: 'mute', type: 'string' }];
    expect(() => fieldRows({ type: 'record', name: 'Whole', fields })).toThrow('doc');
  });
});
