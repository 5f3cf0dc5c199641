import { readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { toEntity } from '@bulk/domain';
import fc from 'fast-check';
import { ACTION_ROWS, actionRows, readActionFile, writeActionFile } from './action-file.ts';
import { expectationOf } from './expectation.ts';

describe('the action file', () => {
  it('implies exactly these counts', () => {
    const expected = expectationOf(actionRows(ACTION_ROWS), 10_000);
    expect(expected).toMatchObject({
      total: 10_000,
      success: 9_700,
      failure: 200,
      skipped: 100,
      codes: { ENTITY_NOT_FOUND: 100, INVALID_ENTITY: 100, DUPLICATE_ENTITY: 100 },
    });
    expect(expected.changed.size).toBe(9_700);
    expect(expected.untouched.size).toBe(100);
  });

  it('is the same each time it is written and is read back unchanged', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bulk-action-file-'));
    try {
      const [a, b] = [join(folder, 'a'), join(folder, 'b')];
      writeActionFile(a);
      writeActionFile(b);
      expect(readFileSync(a)).toEqual(readFileSync(b));
      expect(readActionFile(a)).toEqual(actionRows(ACTION_ROWS));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is tallied as the entity type judges it', () => {
    for (const row of actionRows(2_000)) {
      const { fields } = toEntity(0, row);
      const { failure } = expectationOf([row], 10_000_000);
      expect({ row, ok: contact.validatePatch(fields).ok }).toEqual({ row, ok: failure === 0 });
    }
  });
});

describe('expectationOf', () => {
  const rows = fc.array(
    fc.record({
      id: fc.integer({ min: 1, max: 40 }).map((n) => `contact-${n}`),
      score: fc.integer({ min: -5, max: 105 }),
    }),
    { maxLength: 60 },
  );

  it('gives every row one outcome, and every id one outcome that is not a duplicate', () => {
    fc.assert(
      fc.property(rows, (given) => {
        const { total, success, failure, skipped } = expectationOf(given, 20);
        expect(success + failure + skipped).toBe(total);
        expect(success + failure).toBe(new Set(given.map(({ id }) => id)).size);
      }),
    );
  });

  it('keeps the values of the first row of an id', () => {
    const { changed } = expectationOf(
      [
        { id: 'contact-1', score: 1 },
        { id: 'contact-1', score: 2 },
      ],
      1,
    );
    expect([...changed]).toEqual([['contact-1', { score: 1 }]]);
  });
});
