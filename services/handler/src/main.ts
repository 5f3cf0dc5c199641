import { serviceMain } from '@bulk/runtime';
import { handlerConfigSchema } from './config.ts';
import { startHandler } from './start.ts';

await serviceMain({
  name: 'handler',
  configSchema: handlerConfigSchema,
  env: process.env,
  start: startHandler,
});
