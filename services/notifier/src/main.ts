import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/telemetry';
import { notifierConfigSchema } from './config.ts';
import { startNotifier } from './start.ts';

await serviceMain({
  name: 'notifier',
  configSchema: notifierConfigSchema,
  env: process.env,
  start: async (config, context) => {
    const endTracing = startTracing('notifier', config);
    if (endTracing !== undefined) context.releasers.push('tracing', endTracing);
    await startNotifier(config, context);
  },
});
