import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/runtime/telemetry';
import { statsAggregatorConfigSchema } from './config.ts';
import { startStatsAggregator } from './container.ts';

await serviceMain({
  name: 'stats-aggregator',
  configSchema: statsAggregatorConfigSchema,
  env: process.env,
  start: async (config, context) => {
    startTracing('stats-aggregator', config, context.releasers);
    await startStatsAggregator(config, context);
  },
});
