import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/runtime/telemetry';
import { handlerConfigSchema } from './config.ts';
import { startHandler } from './container.ts';

await serviceMain({
  name: 'handler',
  configSchema: handlerConfigSchema,
  env: process.env,
  start: async (config, context) => {
    startTracing('handler', config, context.releasers);
    await startHandler(config, context);
  },
});
