import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimBrokers } from './brokers.ts';
import { stackPaths, type StackPaths } from './paths.ts';

let base: string;
let paths: StackPaths;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'bulk-brokers-'));
  paths = stackPaths('mine', base);
});
afterEach(() => rmSync(base, { recursive: true }));

describe('the number of brokers of a stack', () => {
  it('is one by default and stays what it was at the first start', () => {
    expect(claimBrokers(paths, undefined)).toBe(1);
    expect(claimBrokers(stackPaths('other', base), 3)).toBe(3);
    expect(claimBrokers(stackPaths('other', base), undefined)).toBe(3);
    expect(() => claimBrokers(stackPaths('other', base), 1)).toThrow('has data of 3 brokers, not of 1');
  });

  it('is one when the data is older than the support for several', () => {
    mkdirSync(paths.data('kafka'), { recursive: true });
    writeFileSync(join(paths.data('kafka'), 'meta.properties'), '');
    expect(() => claimBrokers(paths, 3)).toThrow('has data of 1 broker, not of 3');
    expect(claimBrokers(paths, undefined)).toBe(1);
  });
});
