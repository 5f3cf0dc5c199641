import { createKafka, kafkaConfigSchema } from '@bulk/kafka';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { Command } from 'commander';
import { runCommand } from '../../console/command.ts';
import { environmentHere, runningEnvironment } from '../../installation/running.ts';
import { readLag, sharedGroups } from './read-lag.ts';
import { lagTable } from './table.ts';

/** Creates the command that shows what waits in Kafka. */
export function lagCommand(): Command {
  return new Command('lag')
    .description('the messages that each consumer group has not processed, by lane and topic')
    .option('--json', 'as JSON', false)
    .action(({ json }: { readonly json: boolean }) =>
      runCommand(async () => {
        const env = await runningEnvironment(await environmentHere(), ['KAFKA_BROKERS']);
        const config = loadConfig(kafkaConfigSchema, env);
        const kafka = createKafka('ops', config, silentLogger());
        const lags = await readLag(kafka, sharedGroups(config.TOPIC_PREFIX));
        for (const line of json ? [JSON.stringify(lags, null, 2)] : lagTable(lags)) console.log(line);
      }),
    );
}
