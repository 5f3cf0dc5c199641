import { describe, expect, it } from '@jest/globals';
import { indexListOf } from './index-list.ts';

describe('indexListOf', () => {
  it('distinguishes an index under construction from complete ones, as MongoDB lists them with includeBuildUUIDs', () => {
    const { complete, building } = indexListOf([
      { v: 2, key: { _id: 1 }, name: '_id_' },
      { v: 2, key: { deletedAt: 1 }, name: 'deletedAt_1', expireAfterSeconds: 60 },
      { spec: { v: 2, key: { email: 1 }, name: 'email_1', unique: true }, buildUUID: 'a build' },
    ]);
    expect([...complete.keys()]).toEqual(['_id_', 'deletedAt_1']);
    expect(complete.get('deletedAt_1')?.expireAfterSeconds).toBe(60);
    expect([...building]).toEqual(['email_1']);
  });

  it('takes a complete index also in the form that servers with more information give it', () => {
    expect([...indexListOf([{ spec: { v: 2, key: { a: 1 }, name: 'a_1' } }]).complete.keys()]).toEqual([
      'a_1',
    ]);
  });
});
