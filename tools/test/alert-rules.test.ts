import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  cacheFolder,
  provideAmtool,
  providePromtool,
  run,
  type RunResult,
  workspaceRoot,
} from '@bulk/local-stack';

const PROVISIONING_MS = 300_000;
/** Rules over days take promtool a while on a busy machine. */
const TESTING_MS = 300_000;
const folder = join(workspaceRoot, 'deploy', 'observability');

let tools: { promtool: string; amtool: string };
beforeAll(async () => {
  const context = { cache: cacheFolder(), env: process.env, log: console.log };
  tools = { promtool: await providePromtool(context), amtool: await provideAmtool(context) };
}, PROVISIONING_MS);

const runs = (tool: keyof typeof tools, ...args: string[]): Promise<RunResult> =>
  run(tools[tool], args, { env: process.env, cwd: folder });

describe('the alert rules', () => {
  it('are rules of Prometheus', async () => {
    const { code, output } = await runs('promtool', 'check', 'rules', 'alerts.yml');
    expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS: 51 rules found')]);
  });

  it.each([
    ['fire on their faults, in time, and not without them', 'alerts.test.yml'],
    ['follow the error budgets of three objectives', 'objectives.test.yml'],
    ['are silent on what is planned, and for each installation', 'planned.test.yml'],
    ['fire in an outage of MongoDB as the runbooks list them', 'outage.test.yml'],
    ['remember for days', 'days.test.yml'],
  ])(
    '%s',
    async (_what, file) => {
      const { code, output } = await runs('promtool', 'test', 'rules', file);
      expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    },
    TESTING_MS,
  );
});

it('the example for Alertmanager is a configuration of Alertmanager', async () => {
  const { code, output } = await runs('amtool', 'check-config', 'alertmanager.example.yml');
  expect([code, output]).toEqual([0, expect.stringContaining('6 inhibit rules')]);
});
