import { serviceMain } from '@bulk/runtime';
import { startTracing } from '@bulk/telemetry';
import { statsAggregatorConfigSchema } from './config.ts';
import { startStatsAggregator } from './start.ts';

await serviceMain({
  name: 'stats-aggregator',
  configSchema: statsAggregatorConfigSchema,
  env: process.env,
  start: async (config, context) => {
    const endTracing = startTracing('stats-aggregator', config);
    if (endTracing !== undefined) context.releasers.push('tracing', endTracing);
    await startStatsAggregator(config, context);
  },
});
