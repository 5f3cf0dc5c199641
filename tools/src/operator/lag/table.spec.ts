import { describe, expect, it } from '@jest/globals';
import { sharedGroups } from './read-lag.ts';
import { lagTable } from './table.ts';

describe('the table of lags', () => {
  it('has a line for each group and topic, with the partitions that lag most', () => {
    const partitions = { 0: 1, 1: 30, 2: 4, 3: 5 };
    expect(
      lagTable([
        {
          service: 'handler',
          group: 'b.handler.high',
          topic: 'b.entity-batches.high',
          messages: 0,
          partitions: {},
        },
        {
          service: 'stats-aggregator',
          group: 'b.stats-aggregator',
          topic: 'b.results',
          messages: 40,
          partitions,
        },
      ]),
    ).toEqual([
      'group               topic                  lag  most in partitions',
      'b.handler.high      b.entity-batches.high  0',
      'b.stats-aggregator  b.results              40   1: 30, 3: 5, 2: 4',
    ]);
  });
});

describe('the shared groups', () => {
  it('are those of each lane, of the retry topics and of results', () => {
    expect(sharedGroups('b.').map(({ group, topic }) => [group, topic])).toEqual([
      ...['high', 'normal', 'low'].map((lane) => [`b.handler.${lane}`, `b.entity-batches.${lane}`]),
      ...['short', 'medium', 'long'].map((tier) => ['b.handler-retries', `b.retries.${tier}`]),
      ['b.stats-aggregator', 'b.results'],
    ]);
  });
});
