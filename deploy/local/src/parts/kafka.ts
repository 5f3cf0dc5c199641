import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { StackError } from '../errors.ts';
import { writeAtomically } from '../files.ts';
import { packageRoot } from '../paths.ts';
import { within } from '../poll.ts';
import { provideJava } from '../provision/java.ts';
import { kafkaVersion, provideKafka } from '../provision/maven.ts';
import { run, tail } from '../provision/tools.ts';
import { brokerNumber, replicationOf } from '../state.ts';
import type { LaunchContext, Part } from './part.ts';

/** A small number, so that loading all partitions takes no time; see `probe`. */
const offsetsPartitions = 5;

/** A constant id: the data folder belongs to this stack alone. */
const clusterId = 'YnVsay1sb2NhbC1zdGFjaw';

/** The settings of a broker that our services and tests rely on, also in a container. */
export const brokerSettings: Readonly<Record<string, string | number | boolean>> = {
  // Topics are created explicitly, with their number of partitions, and a mistyped name must fail.
  'auto.create.topics.enable': false,
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': offsetsPartitions,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': offsetsPartitions,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 1,
  // There is only one consumer to wait for, and fault tests need a dead one to be noticed soon.
  'group.initial.rebalance.delay.ms': 0,
  'group.min.session.timeout.ms': 1_000,
};

/** Heap of a broker: a single broker has a machine for itself, several share it. */
const heap = { alone: ['-Xmx768m', '-Xms256m'], oneOfSeveral: ['-Xmx400m', '-Xms128m'] };

/** Time between two checks whether to give leaders back, in seconds. Kafka's default is five minutes. */
const leaderCheckSeconds = 1;

/** Kafka brokers, each of which is also a controller (KRaft, combined mode). */
export const kafka: Part = {
  name: 'kafka',
  usualPort: 9092,
  usualExtraPort: 9093,
  readyMs: 120_000,
  stopMs: 15_000,
  urlFor: (port) => `127.0.0.1:${port}`,

  async provide(context) {
    const java = await provideJava(context);
    const jars = await provideKafka(context);
    const classPath = join(jars, '*');
    return {
      engine: `Kafka ${kafkaVersion}`,
      prepare: async (launch) => {
        const data = launch.paths.data(launch.process);
        const config = launch.paths.data(`${launch.process}.properties`);
        writeAtomically(config, serverProperties(launch, data));
        if (!existsSync(join(data, 'meta.properties'))) await format(launch, java, classPath, config, data);
        const log4j = join(packageRoot, 'maven', 'log4j2.properties');
        return {
          command: java,
          args: [
            ...(launch.brokers.length > 1 ? heap.oneOfSeveral : heap.alone),
            `-Dlog4j2.configurationFile=${log4j}`,
            '-cp',
            classPath,
            'kafka.Kafka',
            config,
          ],
          cwd: launch.paths.root,
        };
      },
      initialise: untilRegistered,
    };
  },

  /**
   * Checks that the cluster and every group coordinator answer.
   *
   * A broker that has just started answers "coordinator is loading" for each partition of the offsets topic until it
   * has read the partition. So the probe asks for one group of each partition: the hashes of names that differ in the
   * last digit are consecutive.
   */
  async probe(url) {
    await asking(url, async (admin) => {
      const { brokers } = await within(5_000, 'kafka', admin.describeCluster());
      if (brokers.length === 0) throw new Error('no broker has registered');
      for (let group = 0; group < offsetsPartitions; group++) {
        await within(5_000, 'kafka', admin.fetchOffsets({ groupId: `local-stack-probe-${group}` }));
      }
    });
  },
};

/** Waits until the cluster lists a broker. A restarted broker answers earlier. */
async function untilRegistered(port: number): Promise<void> {
  await asking(kafka.urlFor(port), async (admin) => {
    const { brokers } = await within(5_000, 'kafka', admin.describeCluster());
    if (!brokers.some((broker) => broker.port === port)) throw new Error('the broker has not registered');
  });
}

async function asking(url: string, question: (admin: Admin) => Promise<void>): Promise<void> {
  const client = new Kafka({
    clientId: 'local-stack',
    brokers: url.split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await within(5_000, 'kafka', admin.connect());
    await question(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

function serverProperties({ process, port, extraPort, brokers }: LaunchContext, data: string): string {
  const voters = brokers.map((broker, i) => `${i + 1}@127.0.0.1:${broker.extraPort}`);
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': brokerNumber(process),
    'controller.quorum.voters': voters.join(','),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${extraPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': data,
    ...brokerSettings,
    ...(brokers.length > 1 ? clusterSettings(brokers.length) : {}),
  };
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`);
  return `${lines.join('\n')}\n`;
}

/** Returns the settings of several brokers in addition to `brokerSettings`: the loss of one broker loses no data. */
function clusterSettings(brokers: number): Record<string, string | number | boolean> {
  const { factor, minInSync } = replicationOf(brokers);
  return {
    'default.replication.factor': factor,
    'min.insync.replicas': minInSync,
    'offsets.topic.replication.factor': factor,
    'transaction.state.log.replication.factor': factor,
    'transaction.state.log.min.isr': minInSync,
    'share.coordinator.state.topic.replication.factor': factor,
    'share.coordinator.state.topic.min.isr': minInSync,
    'leader.imbalance.check.interval.seconds': leaderCheckSeconds,
  };
}

async function format(
  context: LaunchContext,
  java: string,
  classPath: string,
  config: string,
  data: string,
): Promise<void> {
  mkdirSync(data, { recursive: true });
  const args = [
    '-cp',
    classPath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    config,
    '--ignore-formatted',
  ];
  const result = await run(java, args, context);
  if (result.code !== 0) {
    throw new StackError(
      'NOT_READY',
      `${context.process}: the data folder could not be formatted:\n${tail(result.output)}`,
      'npm run stack -- reset',
    );
  }
}
