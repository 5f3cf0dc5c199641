import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { cacheFolder, providePromtool, run, workspaceRoot } from '@bulk/local-stack';

const PROVISIONING_MS = 300_000;
const folder = join(workspaceRoot, 'deploy', 'observability');

let promtool: string;
beforeAll(async () => {
  promtool = await providePromtool({ cache: cacheFolder(), env: process.env, log: console.log });
}, PROVISIONING_MS);

it.each([
  ['are rules of Prometheus', ['check', 'rules', 'alerts.yml'], 'SUCCESS: 12 rules found'],
  ['fire on their faults, in time, and not without them', ['test', 'rules', 'alerts.test.yml'], 'SUCCESS'],
])('the alert rules %s', async (_what, args, said) => {
  const { code, output } = await run(promtool, args, { env: process.env, cwd: folder });
  expect([code, output]).toEqual([0, expect.stringContaining(said)]);
});
