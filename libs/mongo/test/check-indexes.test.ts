import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { TestInstallation } from '@bulk/testing';
import { MongoServerError, type Document } from 'mongodb';
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
afterEach(async () => {
  jest.restoreAllMocks();
  await installation.dispose();
});

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

/** Replaces the answers to `listIndexes`. The engine here builds indexes too fast to meet one under construction. */
function answerListIndexes(answer: (options: Document, real: () => Document[]) => Document[]): void {
  const ask = database.db.runCursorCommand.bind(database.db);
  jest.spyOn(database.db, 'runCursorCommand').mockImplementation((command) => {
    const cursor = ask(command);
    const toArray = cursor.toArray.bind(cursor);
    cursor.toArray = async () => {
      const real = (await toArray()) as Document[];
      return answer(command, () => real);
    };
    return cursor;
  });
}

it('names an index that MongoDB is still building, and accepts it once it is complete', async () => {
  await ensureIndexes(database, [contact], WEEK);
  answerListIndexes(({ includeBuildUUIDs }, real) =>
    real().map((index) =>
      includeBuildUUIDs === true && index['name'] === 'clean_up' ? { spec: index, buildUUID: 'one' } : index,
    ),
  );
  await expect(checkIndexes(database, [contact], WEEK)).rejects.toMatchObject({
    code: 'INDEXES_MISSING',
    message: expect.stringMatching(/^MongoDB is still building the indexes clean_up of collection actions;/),
  });
  jest.restoreAllMocks();
  await checkIndexes(database, [contact], WEEK);
});

it('asks a server that refuses the option without it', async () => {
  await ensureIndexes(database, [contact], WEEK);
  answerListIndexes(({ includeBuildUUIDs }, real) => {
    if (includeBuildUUIDs === undefined) return real();
    throw new MongoServerError({ code: 40_415, message: 'unknown field' });
  });
  await checkIndexes(database, [contact], WEEK);
});

it('refuses tombstones that live shorter than Kafka keeps copies of a batch', async () => {
  await ensureIndexes(database, [contact], FORTNIGHT);
  await checkIndexes(database, [contact], WEEK);
  await ensureIndexes(database, [contact], WEEK);
  await expect(checkIndexes(database, [contact], FORTNIGHT)).rejects.toThrow(
    `index deletedAt_1 of collection ${contact.collection} removes tombstones after ${278 * 3_600} s, and KAFKA_RETENTION_HOURS requires ${554 * 3_600} s`,
  );
});
