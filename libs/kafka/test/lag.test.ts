import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import { ConsumerLag } from '../src/consumer/lag.ts';
import { startWorker } from './consume.ts';

let installation: TestInstallation;
beforeAll(async () => {
  installation = await TestInstallation.create('lag');
});
afterAll(() => installation.dispose());

/** A group member that works on each message for the duration of `work`. */
async function member(work: () => Promise<void>): Promise<{
  lag: ConsumerLag;
  told: { commits: number; messages: number; assigned: number };
  stop: () => Promise<void>;
}> {
  const lag = new ConsumerLag();
  const told = { commits: 0, messages: 0, assigned: 0 };
  const consumer = await startWorker(installation, {
    process: work,
    instruments: {
      lag,
      lagIntervalMs: 100,
      recorder: {
        chunk: (_seconds, messages) => (told.messages += messages),
        failed: () => undefined,
        committed: () => (told.commits += 1),
        assigned: () => (told.assigned += 1),
      },
    },
  });
  const stop = (): Promise<void> => consumer.stop();
  return { lag, told, stop };
}

async function produce(count: number): Promise<void> {
  const producer = installation.kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ value: String(i), partition: 0 }));
  await producer.send({ topic: installation.topics.results, messages });
  await producer.disconnect();
}

it('the lag of a stalled consumer grows, is zero after it continues, and moves with its partitions', async () => {
  let goOn = (): void => undefined;
  const stall = new Promise<void>((resolve) => (goOn = resolve));
  const first = await member(() => stall);
  const ofFirst = () => first.lag.read().find(({ partition }) => partition === 0);

  await produce(2);
  await eventually('it works on the first message', () => (ofFirst()?.messages ?? 0) === 2);
  // The fetch under way reports two messages. Only the broker reports those that follow.
  await produce(3);
  await eventually('it reports messages that it cannot fetch', () => ofFirst()?.messages === 5);
  const { seconds } = ofFirst()!;
  expect(seconds).toBeGreaterThan(0);
  await eventually('its age grows', () => ofFirst()!.seconds > seconds);
  expect(first.lag.read().filter(({ partition }) => partition !== 0)).toEqual(
    [1, 2].map((partition) => ({ topic: installation.topics.results, partition, messages: 0, seconds: 0 })),
  );

  goOn();
  await eventually('it has caught up', () => ofFirst()?.messages === 0);
  expect(ofFirst()).toMatchObject({ messages: 0, seconds: 0 });
  await eventually('commits', () => first.told.commits > 0);
  expect(first.told.messages).toBe(5);

  const second = await member(() => Promise.resolve());
  const ownedBy = (lag: ConsumerLag) => lag.read().map(({ partition }) => partition);
  await eventually('each partition has one owner', () => {
    const all = [...ownedBy(first.lag), ...ownedBy(second.lag)].sort();
    return all.join() === '0,1,2' && ownedBy(second.lag).length > 0;
  });
  expect(first.told.assigned).toBe(2);
  await eventually('the second member knows its positions', () =>
    second.lag.read().every(({ messages }) => messages === 0),
  );
  await second.stop();
  expect(second.lag.read()).toEqual([]);
});
