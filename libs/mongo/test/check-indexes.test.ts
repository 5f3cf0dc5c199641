import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { TestInstallation } from '@bulk/testing';
import { checkIndexes } from '../src/check-indexes.ts';
import type { Database } from '../src/database.ts';
import { ensureIndexes } from '../src/indexes.ts';

const WEEK = { KAFKA_RETENTION_HOURS: 168 };
const FORTNIGHT = { KAFKA_RETENTION_HOURS: 336 };

let installation: TestInstallation;
let database: Database;
beforeEach(async () => {
  installation = await TestInstallation.create('check-indexes');
  database = await installation.database();
});
afterEach(() => installation.dispose());

it('names every missing index and creates none', async () => {
  await expect(checkIndexes(database, [contact], WEEK)).rejects.toMatchObject({
    code: 'INDEXES_MISSING',
    message: expect.stringMatching(/collection action_logs lacks the indexes .*logs_failure.*installer/s),
  });
  expect(await database.db.listCollections().toArray()).toEqual([]);
  await ensureIndexes(database, [contact], WEEK);
  await checkIndexes(database, [contact], WEEK);
  await database.actions.dropIndex('clean_up');
  await expect(checkIndexes(database, [contact], WEEK)).rejects.toThrow(
    'collection actions lacks the indexes clean_up; ENSURE_INDEXES is false',
  );
});

it('refuses tombstones that live shorter than Kafka keeps copies of a batch', async () => {
  await ensureIndexes(database, [contact], FORTNIGHT);
  await checkIndexes(database, [contact], WEEK);
  await ensureIndexes(database, [contact], WEEK);
  await expect(checkIndexes(database, [contact], FORTNIGHT)).rejects.toThrow(
    `index deletedAt_1 of collection ${contact.collection} removes tombstones after ${278 * 3_600} s, and KAFKA_RETENTION_HOURS requires ${554 * 3_600} s`,
  );
});
