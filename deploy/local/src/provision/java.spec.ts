import { describe, expect, it } from '@jest/globals';
import { parseJavaVersion } from './java.ts';

describe('parseJavaVersion', () => {
  it.each([
    ['openjdk version "17.0.15" 2025-04-15', 17],
    ['openjdk version "21" 2023-09-19', 21],
    ['java version "1.8.0_402"', 8],
    ['sh: java: not found', undefined],
  ])('returns the version of %s', (output, version) => {
    expect(parseJavaVersion(output)).toBe(version);
  });
});
