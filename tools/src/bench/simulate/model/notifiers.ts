import { Fetcher } from './kafka.ts';
import type { Platform, ProgressEvent } from './platform.ts';

/** All notifiers. Each one reads every progress event, and the client is connected to the first. */
export class Notifiers {
  readonly #fetchers: readonly (readonly Fetcher<ProgressEvent>[])[];
  readonly #installation: Platform;

  constructor(installation: Platform) {
    const { world, brokers } = installation;
    this.#installation = installation;
    this.#fetchers = Array.from({ length: world.parameters.notifiers }, (_, instance) => {
      const cpu = world.cpu('notifier CPU');
      const receive = async (event: ProgressEvent): Promise<void> => {
        await cpu.run(world.parameters.frameCpuMs);
        if (instance === 0) await this.#show(event);
      };
      return Array.from(
        { length: brokers.count },
        (_, broker) =>
          new Fetcher<ProgressEvent>({ world, brokers, broker, cpu }, (events) => {
            for (const event of events) void receive(event);
          }),
      );
    });
  }

  /** Makes an event visible to every notifier. */
  append(partition: number, event: ProgressEvent): void {
    const broker = this.#installation.brokers.leaderOf(partition);
    for (const fetchers of this.#fetchers) fetchers[broker]?.append(event);
  }

  async #show({ action, isEnd }: ProgressEvent): Promise<void> {
    const { world, client } = this.#installation;
    await world.oneWay();
    await client.run(world.parameters.clientCpuMs);
    if (isEnd) action.see(world.engine.now());
  }
}
