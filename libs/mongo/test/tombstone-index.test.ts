import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { TestInstallation } from '@bulk/testing';
import type { Database } from '../src/database.ts';
import { ensureIndexes } from '../src/indexes.ts';

const HOUR_S = 3_600;

let installation: TestInstallation;
let database: Database;
beforeEach(async () => {
  installation = await TestInstallation.create('tombstones');
  database = await installation.database();
});
afterEach(() => installation.dispose());

async function lifetimeOfTombstones(): Promise<number | undefined> {
  const indexes = await database.entities(contact.collection).indexes();
  return indexes.find(({ key }) => Object.keys(key).join() === 'deletedAt')?.expireAfterSeconds;
}

it('keeps tombstones for longer than Kafka keeps any copy of a batch', async () => {
  await ensureIndexes(database, [contact], { KAFKA_RETENTION_HOURS: 168 });
  expect(await lifetimeOfTombstones()).toBe(278 * HOUR_S);
});

it('changes the lifetime of tombstones in an existing index when the retention has changed', async () => {
  await ensureIndexes(database, [contact], { KAFKA_RETENTION_HOURS: 168 });
  await ensureIndexes(database, [contact], { KAFKA_RETENTION_HOURS: 336 });
  expect(await lifetimeOfTombstones()).toBe(554 * HOUR_S);
  await ensureIndexes(database, [contact], { KAFKA_RETENTION_HOURS: 336 });
  expect(await lifetimeOfTombstones()).toBe(554 * HOUR_S);
});

it('does not change the lifetime of tombstones when the retention is unknown', async () => {
  await ensureIndexes(database, [contact], { KAFKA_RETENTION_HOURS: 336 });
  await ensureIndexes(database, [contact]);
  expect(await lifetimeOfTombstones()).toBe(554 * HOUR_S);
});
