import { beforeEach, describe, expect, it } from '@jest/globals';
import { MalformedMessageError, topicNames } from '@bulk/contracts';
import { success } from '@bulk/domain';
import { ProduceError, type OutgoingMessage, type ReceivedMessage } from '@bulk/kafka';
import { ResultReporter } from './result-reporter.ts';

/** The result ids of each send, in order. */
let sends: string[][];
/** Decides whether a send fails. */
let failure: (ids: readonly string[]) => Error | undefined;
let reported: number;
let reporter: ResultReporter;

beforeEach(() => {
  sends = [];
  reported = 0;
  failure = () => undefined;
  reporter = new ResultReporter({
    producer: {
      send: (_topic, messages) => {
        const ids = messages.map(resultIdOf);
        sends.push(ids);
        const error = failure(ids);
        return error === undefined ? Promise.resolve([]) : Promise.reject(error);
      },
    },
    topics: topicNames('spec.'),
    now: () => new Date(0),
    recorder: {
      reported: () => {
        reported += 1;
      },
    },
  });
});

const resultIdOf = ({ value }: OutgoingMessage): string => (value as { resultId: string }).resultId;

function report(actionId: string, batchNo: number, ref: string | null = null): Promise<void> {
  const identity = {
    actionId,
    accountId: 'acme',
    actionType: 'update',
    entityType: 'contact',
    lane: 'normal',
  } as const;
  const source: ReceivedMessage = {
    topic: 't',
    partition: 0,
    offset: batchNo,
    key: null,
    value: null,
    headers: {},
  };
  return reporter.report({ identity, batchNo, generation: 0 }, source, [
    { position: 0, entityId: 'c0', ref, outcome: success(), attempts: 1 },
  ]);
}

const kinds = async (...reports: readonly Promise<void>[]): Promise<string[]> =>
  (await Promise.allSettled(reports)).map(({ status }) => status);

describe('ResultReporter', () => {
  it('sends the results of one action together, and those of another action separately', async () => {
    expect(await kinds(report('a', 0), report('b', 0), report('a', 1), report('a', 2))).toEqual(
      Array.from({ length: 4 }, () => 'fulfilled'),
    );
    expect(sends).toEqual([['a:0', 'a:1', 'a:2'], ['b:0']]);
    await report('a', 3);
    expect(sends).toHaveLength(3);
    expect(reported).toBe(5);
  });

  it('reports the results of the other actions when the send of one action fails', async () => {
    failure = ([id]) => (id === 'a:0' ? new ProduceError('t', new Error('no leader')) : undefined);
    expect(await kinds(report('a', 0), report('b', 0), report('a', 1))).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
    ]);
    expect(reported).toBe(1);
  });

  it('limits a shared send to the number of bytes that every broker accepts', async () => {
    const ref = 'r'.repeat(60_000);
    const reports = [0, 1, 2, 3, 4].map((batchNo) => report('a', batchNo, ref));
    expect(await kinds(...reports)).toEqual(Array.from({ length: 5 }, () => 'fulfilled'));
    expect(sends).toEqual([['a:0', 'a:1'], ['a:2', 'a:3'], ['a:4']]);
  });

  it('fails only a result that cannot be encoded', async () => {
    failure = (ids) => (ids.includes('a:1') ? new MalformedMessageError('not a result') : undefined);
    expect(await kinds(report('a', 0), report('a', 1), report('a', 2))).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(sends).toEqual([['a:0', 'a:1', 'a:2'], ['a:0'], ['a:1'], ['a:2']]);
  });
});
