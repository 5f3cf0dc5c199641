import { MongoDBContainer } from '@testcontainers/mongodb';
import { RedisContainer } from '@testcontainers/redis';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { brokerSettings } from '../parts/kafka.ts';
import type { PartName } from '../state.ts';

/** How one part runs in a container, and its URL. */
export interface ContainerPart {
  readonly container: GenericContainer;
  urlOf(started: StartedTestContainer): string;
}

export interface ContainerContext {
  readonly image: string;
  /** The host at which published ports are reached. */
  readonly host: string;
  /** A port of the host that is reserved for Kafka. */
  readonly kafkaPort: number;
}

/**
 * The containers of the parts. Each one waits only for its own sign; the part's own protocol then shows whether it
 * serves.
 */
export const containerParts: Readonly<Record<PartName, (context: ContainerContext) => ContainerPart>> = {
  kafka({ image, host, kafkaPort }) {
    // Clients connect to the address that the broker advertises, so the published port must be known before the start.
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
    // The official image expects this form: KAFKA_NODE_ID for node.id.
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
    // The connection is direct, because the name of the only member is known only in its container.
    urlOf: (started) => `mongodb://${host}:${started.getMappedPort(27017)}/?directConnection=true`,
  }),

  redis: ({ image, host }) => ({
    container: new RedisContainer(image).withCommand(['redis-server', '--appendonly', 'yes', '--save', '']),
    urlOf: (started) => `redis://${host}:${started.getMappedPort(6379)}`,
  }),
};
