import { serviceMain } from '@bulk/runtime';
import { intakeConfigSchema } from './config.ts';
import { startIntake } from './start.ts';

await serviceMain({
  name: 'intake',
  configSchema: intakeConfigSchema,
  env: process.env,
  start: async (config, context) => {
    await startIntake(config, context);
  },
});
