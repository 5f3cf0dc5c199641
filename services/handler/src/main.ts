import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/telemetry';
import { handlerConfigSchema } from './config.ts';
import { startHandler } from './start.ts';

await serviceMain({
  name: 'handler',
  configSchema: handlerConfigSchema,
  env: process.env,
  start: async (config, context) => {
    const endTracing = startTracing('handler', config);
    if (endTracing !== undefined) context.releasers.push('tracing', endTracing);
    await startHandler(config, context);
  },
});
