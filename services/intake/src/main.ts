import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/telemetry';
import { intakeConfigSchema } from './config.ts';
import { startIntake } from './start.ts';

await serviceMain({
  name: 'intake',
  configSchema: intakeConfigSchema,
  env: process.env,
  start: async (config, context) => {
    const endTracing = startTracing('intake', config);
    if (endTracing !== undefined) context.releasers.push('tracing', endTracing);
    await startIntake(config, context);
  },
});
