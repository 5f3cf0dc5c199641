import { z } from 'zod';
import { SAMPLE_CONTACTS } from '../../operator/seed/records.ts';
import type { BenchEntity } from './side.ts';

const sumSchema = z.object({ versions: z.coerce.number() });

/** The part of a collection that the sum needs. */
interface Contacts {
  aggregate(pipeline: Record<string, unknown>[]): { toArray(): Promise<unknown[]> };
}

/** Returns the sum of the versions of an account's contacts, which rises by one with each update of one contact. */
export async function versionSum(contacts: Contacts, accountId: string): Promise<number> {
  const [sum] = await contacts
    .aggregate([{ $match: { accountId } }, { $group: { _id: null, versions: { $sum: '$version' } } }])
    .toArray();
  return sum === undefined ? 0 : sumSchema.parse(sum).versions;
}

/**
 * Returns the entities of an update of the first `count` contacts.
 *
 * @param shift a number that differs from the last run's, so that every contact gets new values.
 */
export function entitiesOf(count: number, shift: number): BenchEntity[] {
  return Array.from({ length: count }, (_, i) => ({
    id: SAMPLE_CONTACTS.idOf(i + 1),
    ownerId: `user-${(i + shift) % 25}`,
    score: (i + shift) % 101,
  }));
}
