import { describe, expect, it } from '@jest/globals';
import { accountIdSchema } from '@bulk/domain';
import { argument, wholeNumber } from './arguments.ts';

describe('command-line arguments', () => {
  it('accept whole numbers within bounds', () => {
    expect(wholeNumber(1, 10)('7')).toBe(7);
    for (const text of ['0', '11', '-1', '1.5', '', 'x', '1e1']) {
      expect(() => wholeNumber(1, 10)(text)).toThrow('expected a whole number from 1 to 10');
    }
  });

  it('accept what a schema accepts', () => {
    expect(argument(accountIdSchema)('demo')).toBe('demo');
    expect(() => argument(accountIdSchema)('a:b')).toThrow('expected 1 to 64 letters, digits');
  });
});
