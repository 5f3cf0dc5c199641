import { describe, expect, it } from '@jest/globals';
import { buildsAmong } from './index-builds.ts';

describe('buildsAmong', () => {
  it('names the collection of a build once, with its step, also when its client has gone', () => {
    const operations = [
      { ns: 'bulk.$cmd', command: { createIndexes: 'contacts' } },
      {
        ns: 'bulk.contacts',
        command: { createIndexes: 'contacts' },
        msg: 'Index Build: scanning collection: 12/100 12%',
      },
      { ns: 'bulk.action_logs', msg: 'Index Build: draining writes' },
    ];
    expect(buildsAmong(operations, 'bulk')).toEqual([
      { collection: 'contacts', step: 'Index Build: scanning collection: 12/100 12%' },
      { collection: 'action_logs', step: 'Index Build: draining writes' },
    ]);
  });

  it('leaves out other databases', () => {
    expect(buildsAmong([{ ns: 'other.contacts', command: { createIndexes: 'contacts' } }], 'bulk')).toEqual(
      [],
    );
  });
});
