import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TestInstallation } from '@bulk/testing';
import type { Database } from '../src/database.ts';
import {
  completeEpoch,
  EPOCH_PLACES,
  readOpenEpoch,
  readTopicBases,
  recordTopicIds,
  startEpoch,
  TopicBases,
} from '../src/topic-records.ts';

let installation: TestInstallation;
let database: Database;
beforeEach(async () => {
  installation = await TestInstallation.create('epochs');
  database = await installation.database();
});
afterEach(() => installation.dispose());

describe('an epoch of topics', () => {
  it('gives new topics places beyond those of the former ones, and refuses the former ones', async () => {
    await recordTopicIds(database, new Map([['a.lane', 'id-1']]));
    expect(await readTopicBases(database, ['a.lane'])).toEqual(new Map([['a.lane', 0]]));
    expect(await startEpoch(database, 'b.', new Map([['b.lane', 'id-2']]))).toBe(1);
    await completeEpoch(database);
    const topics = new Map([
      ['a.lane', 'id-1'],
      ['b.lane', 'id-2'],
    ]);
    const recorded = await recordTopicIds(database, topics);
    expect(recorded.get('a.lane')).not.toBe('id-1');
    expect(recorded.get('b.lane')).toBe('id-2');
    expect(await readTopicBases(database, ['b.lane'])).toEqual(new Map([['b.lane', EPOCH_PLACES]]));

    // The topics come again under their former name.
    expect(await startEpoch(database, 'b.', new Map([['b.lane', 'id-3']]))).toBe(2);
    expect(await readTopicBases(database, ['b.lane'])).toEqual(new Map([['b.lane', 2 * EPOCH_PLACES]]));
  });

  it('keeps its number when it is repeated before it is complete', async () => {
    const ids = new Map([['b.lane', 'id-2']]);
    expect(await startEpoch(database, 'b.', ids)).toBe(1);
    expect(await readOpenEpoch(database)).toMatchObject({ number: 1, prefix: 'b.' });
    expect(await startEpoch(database, 'b.', ids)).toBe(1);
    await completeEpoch(database);
    expect(await readOpenEpoch(database)).toBeUndefined();
  });

  it('is noticed by a service that waits until its topics are replaced', async () => {
    const bases = new TopicBases(database, ['b.lane']);
    await bases.record(new Map([['b.lane', 'id-1']]));
    expect(bases.of('b.lane')).toBe(0);
    await startEpoch(database, 'b.', new Map([['b.lane', 'id-2']]));
    await completeEpoch(database);
    await bases.record(new Map([['b.lane', 'id-2']]));
    expect(bases.of('b.lane')).toBe(EPOCH_PLACES);
  });
});
