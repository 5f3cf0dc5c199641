import { describe, expect, it } from '@jest/globals';
import { ConsumerLag } from './lag.ts';

const TOPIC = 'lane';

function given(): { lag: ConsumerLag; at: (ms: number) => void; read: () => (number | undefined)[] } {
  let now = 100_000;
  const lag = new ConsumerLag(() => now);
  lag.assigned({ [TOPIC]: [0] });
  return {
    lag,
    at: (ms) => (now = ms),
    read: () => {
      const [partition] = lag.read();
      return [partition?.messages, partition?.seconds];
    },
  };
}

describe('the lag of a consumer', () => {
  it('is unknown in messages until the position is known', () => {
    const { lag, read } = given();
    expect(read()).toEqual([undefined, 0]);
    lag.reached(TOPIC, 0, 7);
    expect(read()).toEqual([undefined, 0]);
    lag.beginsAt(TOPIC, 0, 5);
    expect(read()).toEqual([2, 0]);
  });

  it('grows in seconds while a message is processed, and in messages as the broker reports', () => {
    const { lag, at, read } = given();
    lag.atHead(TOPIC, 0, 3, 99_000, 5);
    expect(read()).toEqual([2, 1]);
    at(160_000);
    expect(read()).toEqual([2, 61]);
    lag.reached(TOPIC, 0, 900);
    expect(read()).toEqual([897, 61]);
  });

  it('is zero when every message is processed', () => {
    const { lag, at, read } = given();
    lag.atHead(TOPIC, 0, 3, 99_000, 5);
    lag.processed(TOPIC, 0, 5, 99_500);
    at(500_000);
    expect(read()).toEqual([0, 0]);
  });

  it('grows for messages that a stalled consumer has not fetched, from the time when it had processed all', () => {
    const { lag, at, read } = given();
    lag.processed(TOPIC, 0, 5, 40_000);
    at(110_000);
    lag.reached(TOPIC, 0, 5);
    at(120_000);
    lag.reached(TOPIC, 0, 8);
    expect(read()).toEqual([3, 10]);
    at(200_000);
    expect(read()).toEqual([3, 90]);
  });

  it('counts from the last processed message when the consumer never caught up', () => {
    const { lag, at, read } = given();
    lag.atHead(TOPIC, 0, 0, 10_000, 50);
    at(400_000);
    lag.processed(TOPIC, 0, 10, 380_000);
    expect(read()).toEqual([40, 20]);
  });

  it('does not count seconds for messages that are not due', () => {
    const { lag, at, read } = given();
    lag.atHead(TOPIC, 0, 0, 130_000, 1);
    expect(read()).toEqual([1, 0]);
    at(135_000);
    expect(read()).toEqual([1, 5]);
  });

  it('never becomes negative by a late answer of the broker', () => {
    const { lag, read } = given();
    lag.processed(TOPIC, 0, 9, 99_000);
    lag.reached(TOPIC, 0, 4);
    expect(read()).toEqual([0, 0]);
  });

  it('disappears with a lost partition, and stays for a kept one', () => {
    const { lag } = given();
    lag.assigned({ [TOPIC]: [0, 1] });
    lag.atHead(TOPIC, 1, 2, 99_000, 3);
    lag.atHead(TOPIC, 0, 2, 99_000, 3);
    lag.assigned({ [TOPIC]: [1], other: [] });
    expect(lag.read()).toEqual([{ topic: TOPIC, partition: 1, messages: 1, seconds: 1 }]);
    lag.atHead(TOPIC, 0, 3, 99_000, 4);
    lag.processed(TOPIC, 0, 4, 99_000);
    expect(lag.read()).toHaveLength(1);
    expect(lag.topics).toEqual([TOPIC]);
    lag.clear();
    expect(lag.read()).toEqual([]);
  });
});
