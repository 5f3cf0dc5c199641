import { MongoDBContainer } from '@testcontainers/mongodb';
import { RedisContainer } from '@testcontainers/redis';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { brokerSettings } from '../parts/kafka.ts';
import type { PartName } from '../state.ts';

/** How one part is run in a container, and where it is then found. */
export interface ContainerPart {
  readonly container: GenericContainer;
  urlOf(started: StartedTestContainer): string;
}

export interface ContainerContext {
  readonly image: string;
  /** Where published ports are reached. */
  readonly host: string;
  /** A port of the host that is reserved for Kafka. */
  readonly kafkaPort: number;
}

/** Only asked for what it makes known to us; whether it serves is then asked by the part's own protocol. */
export const containerParts: Readonly<Record<PartName, (context: ContainerContext) => ContainerPart>> = {
  kafka({ image, host, kafkaPort }) {
    // Clients are sent on to the address that the broker advertises, so the published port has to be known before it starts.
    const advertised = `${host}:${kafkaPort}`;
    const settings: Record<string, string | number | boolean> = {
      ...brokerSettings,
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': '1@localhost:9093',
      listeners: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      'advertised.listeners': `PLAINTEXT://${advertised}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'controller.listener.names': 'CONTROLLER',
    };
    // As the official image wants them: KAFKA_NODE_ID for node.id.
    const variables: Record<string, string> = { KAFKA_HEAP_OPTS: '-Xmx768m -Xms256m' };
    for (const [key, value] of Object.entries(settings)) {
      variables[`KAFKA_${key.replaceAll('.', '_').toUpperCase()}`] = String(value);
    }
    return {
      container: new GenericContainer(image)
        .withExposedPorts({ container: 9092, host: kafkaPort })
        .withEnvironment(variables)
        .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/)),
      urlOf: () => advertised,
    };
  },

  registry: ({ image, host }) => ({
    container: new GenericContainer(image)
      .withExposedPorts(8080)
      .withWaitStrategy(Wait.forHttp('/apis/ccompat/v7/subjects', 8080)),
    urlOf: (started) => `http://${host}:${started.getMappedPort(8080)}/apis/ccompat/v7`,
  }),

  mongo: ({ image, host }) => ({
    container: new MongoDBContainer(image),
    // Direct, because the only member of the replica set has a name that is known in its container alone.
    urlOf: (started) => `mongodb://${host}:${started.getMappedPort(27017)}/?directConnection=true`,
  }),

  redis: ({ image, host }) => ({
    container: new RedisContainer(image).withCommand(['redis-server', '--appendonly', 'yes', '--save', '']),
    urlOf: (started) => `redis://${host}:${started.getMappedPort(6379)}`,
  }),
};
