import { MESSAGES, type ActionProgress, type MessageType, type TopicNames } from '@bulk/contracts';
import type { MessageProducer } from '@bulk/kafka';
import type { ActionDocument, Database } from '@bulk/mongo';
import { TestInstallation, type TestClients } from './installation.ts';
import { inProcessService, type InProcessService } from './service-context.ts';
import type { TestCodec } from './shared-codec.ts';
import type { TopicReader } from './topic-reader.ts';

/** What a harness is made of. `R` names its readers. */
export interface HarnessParts<R extends string = never> {
  readonly installation: TestInstallation;
  readonly clients: TestClients;
  readonly readers: Readonly<Record<R, TopicReader>>;
}

/**
 * Creates an installation with its usual clients and with readers of some topics, all at the same time.
 *
 * @param variables further variables of the installation's environment.
 */
export async function harnessParts<R extends string = never>(
  name: string,
  variables: Readonly<Record<string, string>>,
  topicsOf: (topics: TopicNames) => Readonly<Record<R, readonly string[]>>,
): Promise<HarnessParts<R>> {
  const installation = await TestInstallation.create(name, variables);
  const read = Object.entries<readonly string[]>(topicsOf(installation.topics));
  const [clients, readers] = await Promise.all([
    installation.clients(),
    Promise.all(read.map(async ([reader, topics]) => [reader, await installation.reader(topics)] as const)),
  ]);
  return { installation, clients, readers: Object.fromEntries(readers) as Record<R, TopicReader> };
}

/** Runs a service in this process, on an installation of its own; the base of each service's harness. */
export class ServiceHarness {
  readonly installation: TestInstallation;
  readonly database: Database;
  readonly codec: TestCodec;
  readonly producer: MessageProducer;
  /** Admin port of the instance that was started last. */
  adminPort = 0;
  readonly #running: InProcessService[] = [];

  protected constructor({ installation, clients }: HarnessParts) {
    this.installation = installation;
    this.database = clients.database;
    this.codec = clients.codec;
    this.producer = clients.producer;
  }

  /** Creates the surroundings of one more instance. `stop` and the end of the test file stop it. */
  protected instance(): InProcessService {
    const service = inProcessService();
    this.#running.push(service);
    this.installation.onDispose(() => service.stop());
    return service;
  }

  /** Decodes every message that a reader has read so far. */
  decoded<T>(type: MessageType<T>, { messages }: TopicReader): Promise<T[]> {
    return Promise.all(messages.map(({ message }) => this.codec.decode(type, message.value)));
  }

  /** Returns every progress event of an action that a reader has read so far. */
  async progressIn(reader: TopicReader, actionId: string): Promise<ActionProgress[]> {
    const all = await this.decoded(MESSAGES.actionProgress, reader);
    return all.filter((event) => event.actionId === actionId);
  }

  /** Returns the stored action. @throws if there is none. */
  async action(actionId: string): Promise<ActionDocument> {
    const action = await this.database.actions.findOne({ _id: actionId });
    if (action === null) throw new RangeError(`there is no action ${actionId}`);
    return action;
  }

  /** Stops every instance. */
  async stop(): Promise<void> {
    for (const service of this.#running.splice(0)) await service.stop();
  }
}
