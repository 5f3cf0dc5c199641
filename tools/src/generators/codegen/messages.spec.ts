import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { MESSAGES } from '@bulk/contracts';
import { ACTION_STATUSES, EFFECTS, LANES, OUTCOME_STATUSES } from '@bulk/domain';
import { z } from 'zod';
import { avroToZod } from './avro-to-zod.ts';
import { generateMessages, MESSAGES_FILE } from './messages.ts';

const root = resolve(import.meta.dirname, '../../../..');

describe('generated messages', () => {
  it('equal the output for schemas/*.avsc (else: npm run codegen)', async () => {
    expect(await generateMessages(root)).toBe(readFileSync(join(root, MESSAGES_FILE), 'utf8'));
  });

  const enumSchema = z.object({ type: z.literal('enum'), name: z.string(), symbols: z.array(z.string()) });

  /** Returns every enum in an Avro schema, by name. */
  function enumsIn(node: unknown): [string, string[]][] {
    const found = enumSchema.safeParse(node);
    const own: [string, string[]][] = found.success ? [[found.data.name, found.data.symbols]] : [];
    const children = typeof node === 'object' && node !== null ? Object.values(node) : [];
    return [...own, ...children.flatMap(enumsIn)];
  }

  it.each([
    ['Lane', LANES],
    ['ActionStatus', ACTION_STATUSES],
    ['OutcomeStatus', OUTCOME_STATUSES],
    ['OutcomeEffect', [...EFFECTS, 'other']],
  ] as const)('know the same %s as the domain, in the same order', (name, domain) => {
    const inAvro = enumsIn(Object.values(MESSAGES).map(({ avro }) => avro)).filter(
      ([found]) => found === name,
    );
    expect(inAvro.length).toBeGreaterThan(0);
    for (const [, symbols] of inAvro) expect(symbols).toEqual(domain);
  });
});

describe('avroToZod', () => {
  it('declares inner types first, each once', () => {
    const inner = { type: 'record', name: 'Inner', fields: [{ name: 'n', type: 'int' }] };
    const outer = {
      type: 'record',
      name: 'Outer',
      fields: [
        { name: 'one', type: inner },
        { name: 'more', type: { type: 'array', items: 'Inner' } },
        { name: 'maybe', type: ['null', 'string'] },
      ],
    };
    const source = avroToZod(outer, new Set());
    expect(source.match(/export const innerSchema/g)).toHaveLength(1);
    expect(source.indexOf('innerSchema')).toBeLessThan(source.indexOf('outerSchema'));
    expect(source).toContain('maybe: z.string().nullable()');
  });

  it.each([[['string', 'int']], ['Undeclared'], [{ type: 'record', fields: [] }]])(
    'refuses an unknown schema: %j',
    (type) => {
      expect(() => avroToZod(type, new Set())).toThrow('not supported by the generator');
    },
  );
});
