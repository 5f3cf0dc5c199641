import { expect, it } from '@jest/globals';
import Runner from 'kafkajs/src/consumer/runner.js';
import { endStoppedFetchers } from './stopped-fetchers.ts';

/** More than a consumer asks in this test. Without an end, the test could not even time out. */
const ENOUGH = 1_000;

it('a consumer that stops while its brokers change fetches no more', async () => {
  endStoppedFetchers();
  const nothing = (): undefined => undefined;
  const logger = { namespace: () => logger, debug: nothing, info: nothing, warn: nothing, error: nothing };
  let brokers = [1];
  let stopped: Promise<void> | undefined;
  const consumerGroup = {
    groupId: 'group',
    memberId: 'member',
    connect: () => Promise.resolve(),
    joinAndSync: () => Promise.resolve(),
    leave: () => Promise.resolve(),
    heartbeat: () => Promise.resolve(),
    fetch: () => new Promise((resolve) => setImmediate(resolve, [])),
    getNodeIds: () => {
      // The second question after a change is the one for new fetchers; the former ones have ended.
      if (brokers.length > 1) stopped ??= changed ? runner.stop() : undefined;
      changed = brokers.length > 1;
      return brokers;
    },
  };
  let changed = false;
  const runner = new Runner({
    logger,
    consumerGroup,
    instrumentationEmitter: { emit: nothing },
    concurrency: 1,
    onCrash: nothing,
    retry: { retries: 2, initialRetryTime: 1 },
  });
  let fetches = 0;
  runner.fetch = (nodeId) => {
    fetches += 1;
    if (fetches > ENOUGH) return Promise.reject(new Error('fetches for ever'));
    if (fetches === 3) brokers = [1, 2];
    return Runner.prototype.fetch.call(runner, nodeId);
  };
  await runner.start();
  for (const deadline = performance.now() + 10_000; stopped === undefined && performance.now() < deadline;)
    await new Promise((resolve) => setImmediate(resolve));
  await stopped;
  for (let turns = 0; turns < 100; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(stopped).toBeDefined();
  expect(fetches).toBeLessThan(10);
});
