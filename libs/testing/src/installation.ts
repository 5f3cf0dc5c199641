import { randomBytes } from 'node:crypto';
import { allTopics, topicNames, topicsOf, type TopicNames } from '@bulk/contracts';
import {
  createKafka,
  ensureTopics,
  kafkaConfigSchema,
  MessageCodec,
  MessageProducer,
  type Kafka,
  type KafkaConfig,
} from '@bulk/kafka';
import { Database, mongoConfigSchema } from '@bulk/mongo';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from './eventually.ts';
import { sharedCodec, type TestCodec } from './shared-codec.ts';
import { testUrls } from './stack-urls.ts';
import { TopicReader } from './topic-reader.ts';

/** The clients with which most tests act as the other services. */
export interface TestClients {
  readonly database: Database;
  readonly codec: TestCodec;
  readonly producer: MessageProducer;
}

/**
 * An installation of its own on the shared real parts: topics, database and keys have a unique name, so that test files
 * run in parallel and leave nothing behind.
 */
export class TestInstallation {
  /** Environment of a service of this installation. */
  readonly env: Readonly<Record<string, string>>;
  readonly topics: TopicNames;
  readonly kafka: Kafka;
  readonly #config: KafkaConfig;
  readonly #cleanups: (() => Promise<void>)[] = [];
  /** Closes the clients, which do not depend on each other. */
  readonly #closings: (() => Promise<void>)[] = [];
  #hasTopics = false;

  private constructor(name: string, extra: Readonly<Record<string, string>>) {
    const id = `${name}-${randomBytes(4).toString('hex')}`;
    this.env = {
      ...testUrls(),
      TOPIC_PREFIX: `${id}.`,
      MONGODB_DATABASE: id,
      REDIS_PREFIX: `${id}:`,
      KAFKA_LANE_PARTITIONS: '3',
      KAFKA_RESULTS_PARTITIONS: '3',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'warn',
      // A consumer cannot stop or join again before its fetch has ended.
      KAFKA_FETCH_MAX_WAIT_MS: '100',
      ...extra,
    };
    this.#config = loadConfig(kafkaConfigSchema, this.env);
    this.topics = topicNames(this.#config.TOPIC_PREFIX);
    this.kafka = createKafka(`test-${name}`, this.#config, silentLogger());
  }

  /**
   * Creates an installation with its topics.
   *
   * @param name short, lower case; part of every name of this installation.
   * @param extra further variables of its environment.
   */
  static async create(name: string, extra: Readonly<Record<string, string>> = {}): Promise<TestInstallation> {
    const self = new TestInstallation(name, extra);
    await ensureTopics(self.kafka, topicsOf(self.topics), self.#config);
    self.#hasTopics = true;
    return self;
  }

  /** Deletes a topic and creates it again, as an operator might: empty, under the same name. */
  async recreateTopic(topic: string): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      await admin.deleteTopics({ topics: [topic] });
      await eventually('the topic is gone', async () => !(await admin.listTopics()).includes(topic));
    } finally {
      await admin.disconnect();
    }
    await ensureTopics(this.kafka, topicsOf(this.topics), this.#config);
  }

  /** Deletes every topic, so that an installer finds none. */
  async deleteTopics(): Promise<void> {
    await this.#deleteTopics(async (left) => {
      await eventually('the topics are gone', async () => (await left()).length === 0);
    });
  }

  /** Opens the usual clients at the same time. `dispose` closes them. */
  async clients(): Promise<TestClients> {
    const messaging = async (): Promise<Pick<TestClients, 'codec' | 'producer'>> => {
      const codec = await sharedCodec(this.#config);
      return { codec, producer: await this.producer(codec) };
    };
    const [database, { codec, producer }] = await Promise.all([this.database(), messaging()]);
    return { database, codec, producer };
  }

  /** Returns a reader of these topics, which `dispose` closes. */
  async reader(topics: readonly string[]): Promise<TopicReader> {
    const reader = await TopicReader.open(this.kafka, topics);
    this.#closings.push(() => reader.close());
    return reader;
  }

  /** Returns a codec with every schema registered under the subjects of this installation, as a service has. */
  codec(): Promise<MessageCodec> {
    return MessageCodec.open(this.#config, topicsOf(this.topics));
  }

  /** Returns a producer that `dispose` disconnects. */
  async producer(codec: Pick<TestCodec, 'encode'>): Promise<MessageProducer> {
    const producer = await MessageProducer.connect(this.kafka, codec, silentLogger());
    this.#closings.push(() => producer.disconnect());
    return producer;
  }

  /**
   * Returns the database, which `dispose` drops and closes.
   *
   * @param onCommand gets each command as it is sent.
   */
  async database(onCommand?: (command: Readonly<Record<string, unknown>>) => void): Promise<Database> {
    const config = loadConfig(mongoConfigSchema, this.env);
    const database = await Database.connect('test', config, onCommand);
    this.#closings.push(async () => {
      await database.db.dropDatabase();
      await database.close();
    });
    return database;
  }

  /** Registers a cleanup for `dispose`, which runs the last one first, and all before it closes the clients. */
  onDispose(cleanup: () => Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  async dispose(): Promise<void> {
    for (let next = this.#cleanups.pop(); next !== undefined; next = this.#cleanups.pop()) await next();
    await Promise.all(this.#closings.splice(0).map((close) => close()));
    if (this.#hasTopics) await this.#deleteTopics();
    this.#hasTopics = false;
  }

  /** @param then gets a function that returns the topics that are left. */
  async #deleteTopics(
    then: (left: () => Promise<string[]>) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const left = async (): Promise<string[]> => {
        const listed = new Set(await admin.listTopics());
        return allTopics(this.topics).filter((topic) => listed.has(topic));
      };
      const topics = await left();
      if (topics.length > 0) await admin.deleteTopics({ topics });
      await then(left);
    } finally {
      await admin.disconnect();
    }
  }
}
