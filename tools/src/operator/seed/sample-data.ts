import { ENTITY_TYPES } from '@bulk/action-types';
import { ensureIndexes, type Database } from '@bulk/mongo';
import { SAMPLE_COMPANIES, SAMPLE_CONTACTS, SAMPLE_LEADS } from './records.ts';
import { seedAccount, type SeedResult } from './seed-account.ts';

export interface SampleCounts {
  readonly contacts: number;
  readonly companies: number;
  readonly leads: number;
}

export const DEFAULT_ACCOUNT = 'demo';
export const DEFAULT_COUNTS: SampleCounts = { contacts: 10_000, companies: 500, leads: 2_000 };

/** Creates the indexes, contacts, companies and leads of one account. */
export async function seedSampleData(
  database: Database,
  options: { accountId: string; counts: SampleCounts; reset: boolean },
  signal?: AbortSignal,
): Promise<Record<keyof SampleCounts, SeedResult>> {
  const { accountId, counts, reset } = options;
  await ensureIndexes(database, ENTITY_TYPES);
  const seed = (sample: typeof SAMPLE_CONTACTS, count: number): Promise<SeedResult> =>
    seedAccount(database, { accountId, sample, count, reset }, signal);
  return {
    contacts: await seed(SAMPLE_CONTACTS, counts.contacts),
    companies: await seed(SAMPLE_COMPANIES, counts.companies),
    leads: await seed(SAMPLE_LEADS, counts.leads),
  };
}
