import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import type { ChunkConsumer } from '../src/consumer/chunk-consumer.ts';
import { DONE } from '../src/consumer/disposition.ts';
import { committed, deferred, send, startConsumer, type Behaviour } from './consume.ts';

const installations: TestInstallation[] = [];
afterEach(async () => {
  for (const installation of installations.splice(0)) await installation.dispose();
});

async function installation(): Promise<TestInstallation> {
  const own = await TestInstallation.create('stopping');
  installations.push(own);
  return own;
}

/** Much longer than the stops of these tests. */
const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '30000' };

const consume = (own: TestInstallation, behaviour: Behaviour): Promise<ChunkConsumer> =>
  startConsumer(own, behaviour, SESSION);

describe('a ChunkConsumer that stops while a chunk hangs', () => {
  /** Starts a member whose first chunk hangs, and stops it. @returns how long the stop took, in ms. */
  async function stopWithin(own: TestInstallation, limitMs: number): Promise<number> {
    const hang = deferred();
    own.onDispose(() => {
      hang.resolve();
      return Promise.resolve();
    });
    let started = 0;
    const member = await consume(own, {
      process: async ({ messages }) => {
        if (messages[0]!.offset === 0) return DONE;
        started += 1;
        await hang.promise;
        return DONE;
      },
    });
    await eventually('the chunk is under way', () => started === 1);
    const since = performance.now();
    await member.stop(limitMs);
    return performance.now() - since;
  }

  it('leaves its group within its limit, and another member gets the message and no committed one', async () => {
    const own = await installation();
    await send(own, 0, 3);
    expect(await stopWithin(own, 2_000)).toBeLessThan(2_000);
    expect((await committed(own)).get(0)).toBe(1);
    const seen: number[] = [];
    const since = performance.now();
    await consume(own, {
      chunkSize: 10,
      process: ({ messages }) => {
        seen.push(...messages.map(({ offset }) => offset));
        return Promise.resolve(DONE);
      },
    });
    await eventually('the messages are delivered to it', () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
    expect(performance.now() - since).toBeLessThan(15_000);
    await eventually('the commit of the new owner', async () => (await committed(own)).get(0) === 3);
  });

  it('moves its partitions to a member that is there already, long before its session ends', async () => {
    const own = await installation();
    const seen: string[] = [];
    const hang = deferred();
    own.onDispose(() => {
      hang.resolve();
      return Promise.resolve();
    });
    let hanging = 0;
    let joins = 0;
    const onAssigned = (): void => void (joins += 1);
    const process =
      (hangs: boolean): Behaviour['process'] =>
      async ({ partition, messages }) => {
        if (hangs) {
          hanging += 1;
          await hang.promise;
        } else seen.push(...messages.map(({ offset }) => `${partition}/${offset}`));
        return DONE;
      };
    const first = await consume(own, { onAssigned, process: process(true) });
    await consume(own, { onAssigned, process: process(false) });
    await eventually('both are members', () => joins >= 3);
    for (const partition of [0, 1, 2]) await send(own, partition, 1);
    await eventually('some chunks hang and the others are done', () => hanging + seen.length === 3);
    expect(hanging).toBeGreaterThan(0);
    const stoppedAt = performance.now();
    await first.stop(2_000);
    await eventually('the other member has all of them', () => seen.length === 3);
    expect(performance.now() - stoppedAt).toBeLessThan(15_000);
    expect(seen.toSorted()).toEqual(['0/0', '1/0', '2/0']);
  });

  it('waits for a chunk that ends within its limit, and commits it', async () => {
    const own = await installation();
    await send(own, 0, 1);
    const release = deferred();
    let started = false;
    const member = await consume(own, {
      process: async () => {
        started = true;
        await release.promise;
        return DONE;
      },
    });
    await eventually('the chunk is under way', () => started);
    const stopped = member.stop(20_000);
    setTimeout(release.resolve, 1_000);
    await stopped;
    expect((await committed(own)).get(0)).toBe(1);
  });

  it('waits for no answer whether its messages may be processed', async () => {
    const own = await installation();
    await send(own, 0, 1);
    const answer = deferred();
    own.onDispose(() => {
      answer.resolve();
      return Promise.resolve();
    });
    let asked = 0;
    const member = await consume(own, {
      admit: () => {
        asked += 1;
        return answer.promise;
      },
      process: () => Promise.resolve(DONE),
    });
    await eventually('the question', () => asked === 1);
    const since = performance.now();
    await member.stop(20_000);
    expect(performance.now() - since).toBeLessThan(3_000);
  });
});
