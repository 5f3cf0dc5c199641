import { serviceMain } from '@bulk/runtime';
import { notifierConfigSchema } from './config.ts';
import { startNotifier } from './start.ts';

await serviceMain({
  name: 'notifier',
  configSchema: notifierConfigSchema,
  env: process.env,
  start: async (config, context) => {
    await startNotifier(config, context);
  },
});
