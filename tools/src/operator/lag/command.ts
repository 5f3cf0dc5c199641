import { CodedError } from '@bulk/domain';
import { createKafka, kafkaConfigSchema, type Kafka } from '@bulk/kafka';
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
        await confirmTopics(kafka, config.TOPIC_PREFIX);
        const lags = await readLag(kafka, sharedGroups(config.TOPIC_PREFIX));
        for (const line of json ? [JSON.stringify(lags, null, 2)] : lagTable(lags)) console.log(line);
      }),
    );
}

/** @throws CodedError `NO_TOPICS` if Kafka lacks topics of the installation, so that its prefix is probably wrong. */
async function confirmTopics(kafka: Kafka, prefix: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const there = new Set(await admin.listTopics());
    const missing = sharedGroups(prefix).find(({ topic }) => !there.has(topic));
    if (missing !== undefined)
      throw new CodedError(
        'NO_TOPICS',
        `there is no topic ${missing.topic}: is TOPIC_PREFIX that of the installation?`,
      );
  } finally {
    await admin.disconnect();
  }
}
