import { accountIdSchema } from '@bulk/domain';
import { Command } from 'commander';
import { z } from 'zod';
import { argument, wholeNumber } from '../../console/arguments.ts';
import { runCommand } from '../../console/command.ts';
import { Screen, thousands } from '../../console/screen.ts';
import { DEFAULT_ACCOUNT, DEFAULT_COUNTS } from '../../operator/seed/sample-data.ts';
import { describeLatencies } from './latencies.ts';
import { runLoad } from './load.ts';

const httpUrl = argument(z.url({ protocol: /^https?$/, error: 'expected an http:// or https:// URL' }));
const wsUrl = argument(z.url({ protocol: /^wss?$/, error: 'expected a ws:// or wss:// URL' }));

const program = new Command('loadtest')
  .description(
    'fires actions at a running installation (npm start), follows each to its end, checks its counts',
  )
  .option('--actions <n>', 'actions', wholeNumber(1, 1_000_000), 50)
  .option('--entities <n>', 'entities of each action', wholeNumber(1, 1_000_000), 200)
  .option('--concurrency <n>', 'requests at the same time', wholeNumber(1, 1_000), 8)
  .option('--account <id>', 'account', argument(accountIdSchema), DEFAULT_ACCOUNT)
  .option('--contacts <n>', 'contacts that are changed', wholeNumber(1, 10_000_000), DEFAULT_COUNTS.contacts)
  .option('--url <url>', 'REST API', httpUrl, 'http://127.0.0.1:3000')
  .option('--websocket-url <url>', 'notifier', wsUrl, 'ws://127.0.0.1:3001')
  .option('--timeout <seconds>', 'longest wait for an action', wholeNumber(1, 86_400), 600)
  .showHelpAfterError();

await runCommand(async ({ signal }) => {
  const { account, timeout, ...options } = program.parse().opts<{
    actions: number;
    entities: number;
    concurrency: number;
    account: string;
    contacts: number;
    url: string;
    websocketUrl: string;
    timeout: number;
  }>();
  const figures = await runLoad({ ...options, accountId: account, timeoutMs: timeout * 1_000, signal });
  const screen = new Screen(process.stdout);
  const { success, failure, skipped } = figures;
  screen.labelled(
    'accepted',
    `${thousands(options.actions)} actions of ${thousands(options.entities)} entities, ${figures.acceptedPerSecond.toFixed(1)} actions a second`,
  );
  screen.labelled('POST', describeLatencies(figures.latencies));
  screen.labelled(
    'end to end',
    `${thousands(figures.entitiesPerSecond)} entities a second, ${figures.seconds.toFixed(1)} s from the first request to the last outcome`,
  );
  screen.labelled(
    'counts',
    `${thousands(success)} ok · ${thousands(failure)} failed · ${thousands(skipped)} skipped; they add up, and equal the logs`,
  );
});
