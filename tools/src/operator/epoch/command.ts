import { kafkaConfigSchema } from '@bulk/kafka';
import { connectRedis, redisConfigSchema } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { Command } from 'commander';
import { wholeNumber } from '../../console/arguments.ts';
import { ALL_PARTS } from '../../installation/running.ts';
import { runOnInstallation } from '../run-on-installation.ts';
import { migratePartitions, type MigrationTarget } from './migrate.ts';
import { rebuildKafka } from './rebuild.ts';

const MAX_PARTITIONS = 10_000;

/** Creates the command that gives the lanes more partitions. */
export function migratePartitionsCommand(): Command {
  const partitions = wholeNumber(1, MAX_PARTITIONS);
  return new Command('migrate-partitions')
    .description('gives the lanes more partitions, in new topics; run it while the services are stopped')
    .requiredOption('--prefix <prefix>', 'TOPIC_PREFIX of the new topics')
    .requiredOption('--lane-partitions <n>', 'KAFKA_LANE_PARTITIONS of the new topics', partitions)
    .option('--results-partitions <n>', 'KAFKA_RESULTS_PARTITIONS of the new topics', partitions)
    .action((target: MigrationTarget) =>
      runOnInstallation('ops', async ({ env, database, signal }) => {
        const config = loadConfig(kafkaConfigSchema, env);
        const { epoch, restaged, settings } = await migratePartitions(database, config, target, signal);
        console.log(`epoch ${epoch} has started, ${restaged} waiting actions were cut again`);
        console.log('set for every service, and start them:');
        for (const [name, value] of Object.entries(settings)) console.log(`  ${name}=${value}`);
      }),
    );
}

interface RebuildArguments {
  readonly acceptUnknown?: readonly string[];
  readonly redisKept: boolean;
}

/** Creates the command that continues after the loss of Kafka. */
export function rebuildKafkaCommand(): Command {
  return new Command('rebuild-kafka')
    .description('continues on new topics after Kafka was lost; run it while the services are stopped')
    .option(
      '--accept-unknown <action...>',
      'actions whose positions may fail with OUTCOME_UNKNOWN because Redis has lost them too; `all` for every action',
    )
    .option('--redis-kept', 'Redis is known to have kept its data, though it has no first positions', false)
    .action(({ acceptUnknown = [], redisKept }: RebuildArguments) =>
      runOnInstallation(
        'ops',
        async ({ env, database, releasers, signal }) => {
          const config = loadConfig(kafkaConfigSchema, env);
          const redisConfig = loadConfig(redisConfigSchema, env);
          const redis = await connectRedis(redisConfig, silentLogger());
          releasers.push('redis', () => redis.disconnect());
          const { epoch, actions, again, published, unknown } = await rebuildKafka(
            { database, redis, redisPrefix: redisConfig.REDIS_PREFIX, config },
            signal,
            {
              accepted: acceptUnknown.includes('all') ? 'all' : new Set(acceptUnknown),
              isRedisKept: redisKept,
            },
          );
          console.log(`epoch ${epoch} has started, with ${actions} unfinished actions`);
          console.log(`${again} batches are tried again in their old place, ${published} were never seen`);
          if (unknown > 0) console.log(`${unknown} batches fail with OUTCOME_UNKNOWN`);
          console.log('start the services, and run `ops reconcile --all` when `ops lag` shows none');
        },
        ALL_PARTS,
      ),
    );
}
