import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/runtime/telemetry';
import { intakeConfigSchema } from './config.ts';
import { startIntake } from './container.ts';

await serviceMain({
  name: 'intake',
  configSchema: intakeConfigSchema,
  env: process.env,
  start: async (config, context) => {
    startTracing('intake', config, context.releasers);
    await startIntake(config, context);
  },
});
