import { serviceMain } from '@bulk/runtime';
import { statsAggregatorConfigSchema } from './config.ts';
import { startStatsAggregator } from './start.ts';

await serviceMain({
  name: 'stats-aggregator',
  configSchema: statsAggregatorConfigSchema,
  env: process.env,
  start: startStatsAggregator,
});
