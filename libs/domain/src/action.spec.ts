import { describe, expect, it } from '@jest/globals';
import { createdAtOf } from './action.ts';

describe('createdAtOf', () => {
  it('returns the time of a UUID of version 7', () => {
    expect(createdAtOf('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')).toBe(Date.parse('2022-02-22T19:22:22.000Z'));
  });

  it('returns undefined for a UUID of another version', () => {
    expect(createdAtOf('017f22e2-79b0-4cc3-98c4-dc0c0c07398f')).toBeUndefined();
  });
});
