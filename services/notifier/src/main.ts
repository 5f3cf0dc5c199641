import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/runtime/telemetry';
import { notifierConfigSchema } from './config.ts';
import { startNotifier } from './container.ts';

await serviceMain({
  name: 'notifier',
  configSchema: notifierConfigSchema,
  env: process.env,
  start: async (config, context) => {
    startTracing('notifier', config, context.releasers);
    await startNotifier(config, context);
  },
});
