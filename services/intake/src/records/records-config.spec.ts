import { describe, expect, it } from '@jest/globals';
import { integer, loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { checkRecordsConfig, recordsConfigShape } from './records-config.ts';

const schema = z
  .object({ ...recordsConfigShape, STAGING_TIMEOUT_MS: integer({ min: 1, max: 10_000_000 }, 900_000, 'x') })
  .superRefine(checkRecordsConfig);

describe('checkRecordsConfig', () => {
  it('refuses a filter that may be read for as long as an upload may make no progress', () => {
    expect(loadConfig(schema, {}).FILTER_TIMEOUT_MS).toBe(300_000);
    expect(() => loadConfig(schema, { FILTER_TIMEOUT_MS: '900000' })).toThrow(/FILTER_TIMEOUT_MS/u);
  });
});
