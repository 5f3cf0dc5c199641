import { statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The slow test files in the order of their time, which is in seconds: on two cores, beside other tests. */
export const SLOW = new Map([
  ['e2e/three-brokers.e2e.ts', 200],
  ['e2e/outages.e2e.ts', 140],
  ['e2e/images.e2e.ts', 90],
  ['e2e/replaced-topics.e2e.ts', 80],
  ['libs/kafka/test/partition-queues.test.ts', 70],
  ['deploy/local/test/stack.test.ts', 63],
  ['tools/test/alert-rules.test.ts', 59],
  ['tools/test/several-brokers.test.ts', 56],
  ['e2e/secure.e2e.ts', 54],
  ['services/intake/test/documentation.test.ts', 51],
  ['services/intake/test/worst-inputs.test.ts', 50],
  ['services/notifier/test/frame-limits.test.ts', 46],
  ['deploy/local/test/brokers.test.ts', 44],
  ['e2e/chaos.e2e.ts', 44],
  ['services/handler/test/groups.test.ts', 43],
  ['tools/test/client-package.test.ts', 42],
  ['e2e/zombie.e2e.ts', 42],
  ['services/intake/test/gaps.test.ts', 41],
  ['e2e/example-consumers.e2e.ts', 39],
  ['e2e/fuzz.e2e.ts', 38],
  ['services/intake/test/contract.test.ts', 35],
  ['e2e/killed.e2e.ts', 34],
  ['services/handler/test/retry-topics.test.ts', 34],
  ['tools/src/development/fuzz/round.spec.ts', 19],
  ['libs/runtime/src/http/guarded-server.spec.ts', 13],
  ['services/intake/src/dispatch/outage.spec.ts', 7],
]);

/**
 * Starts the slow test files first, so that no worker is left alone with one of them at the end, and then the largest.
 * The order is the same on every machine, whatever jest remembers of earlier runs.
 */
export default class SlowestFirst {
  sort(tests) {
    const weight = ({ path }) => [SLOW.get(relative(root, path)) ?? 0, statSync(path).size];
    const weighed = tests.map((test) => ({ test, weight: weight(test) }));
    weighed.sort(({ weight: a }, { weight: b }) => b[0] - a[0] || b[1] - a[1]);
    return weighed.map(({ test }) => test);
  }

  /** Returns a part of the tests, for `--shard`. */
  shard(tests, { shardIndex, shardCount }) {
    return this.sort(tests).filter((_, i) => i % shardCount === shardIndex - 1);
  }

  /** Remembers nothing: see `sort`. */
  cacheResults() {}

  /** For `--onlyFailures`, which needs what jest remembers. */
  allFailedTests(tests) {
    return tests;
  }
}
