import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { eventually, inProcessService, TestInstallation } from '@bulk/testing';
import { mongoConfigSchema } from '../src/config.ts';
import { checkDatabaseOwner, claimDatabase } from '../src/database-owner.ts';
import type { Database } from '../src/database.ts';
import { openDatabase, OWNER } from '../src/open-database.ts';
import { completeEpoch, recordTopicIds, startEpoch } from '../src/topic-records.ts';

let installation: TestInstallation;
let database: Database;
beforeAll(async () => {
  installation = await TestInstallation.create('owner');
  database = await installation.database();
});
afterAll(() => installation.dispose());
beforeEach(() => database.db.collection('installation').deleteMany({}));

describe('a database', () => {
  it('belongs to the first installation that uses it, and to no other', async () => {
    expect(await checkDatabaseOwner(database, 'prod.')).toBe('free');
    await Promise.all(Array.from({ length: 4 }, () => claimDatabase(database, 'prod.')));
    expect(await checkDatabaseOwner(database, 'prod.')).toBe('owned');
    await expect(claimDatabase(database, 'dev.')).rejects.toMatchObject({
      code: 'FOREIGN_DATABASE',
      message: `the database ${database.db.databaseName} belongs to the installation with TOPIC_PREFIX=prod., and this process has TOPIC_PREFIX=dev.: set TOPIC_PREFIX or MONGODB_DATABASE`,
    });
  });

  it('goes to one of two installations that claim it at the same time', async () => {
    const claims = await Promise.allSettled(['a.', 'b.'].map((prefix) => claimDatabase(database, prefix)));
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('belongs to the installation whose topics it has recorded before owners were', async () => {
    await recordTopicIds(database, new Map([['prod.eu.results', 'id-1']]));
    for (const prefix of ['dev.', 'prod.', ''])
      await expect(claimDatabase(database, prefix)).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    await claimDatabase(database, 'prod.eu.');
  });

  it('belongs to the topics that have replaced others before owners were recorded', async () => {
    const records = database.db.collection<{ _id: string }>('installation');
    await recordTopicIds(database, new Map([['v1.results', 'id-1']]));
    await startEpoch(database, 'v2.', new Map([['v2.results', 'id-2']]));
    await records.updateOne({ _id: 'epoch' }, { $set: { done: true } });
    await expect(claimDatabase(database, 'v1.')).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    await claimDatabase(database, 'v2.');
  });

  it('belongs to the prefix of new topics from the end of their replacement on', async () => {
    await claimDatabase(database, 'old.');
    await startEpoch(database, 'new.', new Map([['new.results', 'id-2']]));
    // A killed replacement is repeated with the settings of the services.
    expect(await checkDatabaseOwner(database, 'old.')).toBe('owned');
    await completeEpoch(database);
    await claimDatabase(database, 'new.');
    await expect(claimDatabase(database, 'old.')).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    await startEpoch(database, 'newer.', new Map([['newer.results', 'id-3']]));
    expect(await checkDatabaseOwner(database, 'new.')).toBe('owned');
  });

  it('of another installation keeps a service from starting, which says so', async () => {
    await claimDatabase(database, 'prod.');
    const service = inProcessService();
    const config = { ...loadConfig(mongoConfigSchema, installation.env), KAFKA_RETENTION_HOURS: 168 };
    const opening = openDatabase('test', { ...config, TOPIC_PREFIX: 'dev.' }, [], service.context);
    opening.catch(() => undefined);
    const { health } = service.context;
    await eventually('the service names the owner', () =>
      health.report().components[OWNER]?.reason?.includes('TOPIC_PREFIX=prod.'),
    );
    expect(health.report().ready).toBe(false);
    await service.stop();
    await expect(opening).rejects.toThrow();
  });
});
