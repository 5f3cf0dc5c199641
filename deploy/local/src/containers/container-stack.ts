import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerRuntimeClient } from 'testcontainers';
import { reasonOf, StackError } from '../errors.ts';
import type { StackPaths } from '../paths.ts';
import { parts } from '../parts/index.ts';
import { pollUntil, within } from '../poll.ts';
import { releasePorts, reservePorts } from '../ports.ts';
import { type PartName, partNames, partVariables, type StackUrls, urlsOf } from '../state.ts';
import { findEngine, hasImage } from './engine.ts';
import { ownerLabels, removeLeftovers, removeOwn } from './leftovers.ts';
import { containerParts } from './parts.ts';
import type { TestStackSettings } from './settings.ts';

export interface ContainerStackOptions {
  readonly settings: TestStackSettings;
  /** The folder of the logs. The data is in the containers and ends with them. */
  readonly paths: StackPaths;
  readonly cache: string;
  readonly log: (line: string) => void;
  /** Interrupts the start when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Maximum time for the removal of all containers, and then for a start under way to notice that its container is gone.
 */
const removalMs = 30_000;
const noticeMs = 2_000;

/**
 * The parts in containers, for the tests: starting → ready → closed.
 *
 * It ends by `stop`, or by the end of a container. A start that fails leaves nothing. The data is not needed any more,
 * so containers are killed and not asked to stop. What a killed process leaves is removed by Ryuk if its image is
 * available, else by the next start.
 */
export class ContainerStack {
  /** Settles when a container has ended by itself (with the error), or at the stop (with nothing). It never rejects. */
  readonly closed: Promise<StackError | undefined>;
  readonly #options: ContainerStackOptions;
  readonly #client: ContainerRuntimeClient;
  readonly #starting = new AbortController();
  readonly #starts: Promise<void>[] = [];
  readonly #urls: Partial<Record<PartName, string>>;
  #close: (error: StackError | undefined) => void = () => undefined;
  #kafkaPort = 0;
  #stopped: Promise<void> | undefined;

  private constructor(options: ContainerStackOptions, client: ContainerRuntimeClient) {
    this.#options = options;
    this.#client = client;
    this.#urls = { ...options.settings.external };
    this.closed = new Promise((resolve) => (this.#close = resolve));
  }

  /**
   * Starts the containers of all parts that have no URL, in parallel, and waits until each serves.
   *
   * @throws StackError `NOT_READY` if that fails or takes too long, `EXTERNAL_UNREACHABLE` for a part given by URL.
   */
  static async start(options: ContainerStackOptions): Promise<ContainerStack> {
    const client = await findEngine();
    if (client === undefined) {
      throw new StackError('NOT_READY', 'no container engine answers', 'docker info   # says why');
    }
    options.signal?.throwIfAborted();
    const stack = new ContainerStack(options, client);
    try {
      await stack.#start();
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get urls(): StackUrls {
    return urlsOf({}, this.#urls);
  }

  /** Removes the containers and their data, within bounded time. It may be repeated, and never throws. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const { settings, cache, log, signal } = this.#options;
    const left = await within(removalMs, 'removing leftovers', removeLeftovers(this.#client));
    if (left > 0) log(`removed ${left} containers of a run that had been killed`);
    await this.#chooseReaper();
    mkdirSync(cache, { recursive: true });
    this.#kafkaPort = (await reservePorts(cache, new Map([['kafka', []]]), signal)).get('kafka') ?? 0;
    const limit = AbortSignal.timeout(settings.startMs);
    const ended = AbortSignal.any([this.#starting.signal, limit, ...(signal === undefined ? [] : [signal])]);
    this.#starts.push(...partNames.map((name) => this.#startPart(name, ended)));
    const broken = new Promise<never>((_resolve, reject) => {
      ended.addEventListener('abort', () => reject(ended.reason as Error), { once: true });
    });
    try {
      await Promise.race([Promise.all(this.#starts), broken]);
    } catch (error) {
      if (!limit.aborted || signal?.aborted === true) throw error;
      const missing = partNames.filter((name) => this.#urls[name] === undefined).join(', ');
      throw new StackError(
        'NOT_READY',
        `the containers were not ready after ${settings.startMs / 1000} s (TEST_CONTAINERS_START_MS): ${missing}`,
        'TEST_STACK=local npm test',
        { cause: error },
      );
    }
  }

  /**
   * Sets the library's own switches, which it reads only from the environment: it would pull its Ryuk if the image is
   * missing.
   */
  async #chooseReaper(): Promise<void> {
    const { reaperImage } = this.#options.settings;
    process.env['RYUK_CONTAINER_IMAGE'] = reaperImage;
    if (!(await hasImage(this.#client, reaperImage))) process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  }

  async #startPart(name: PartName, ended: AbortSignal): Promise<void> {
    const given = this.#urls[name];
    if (given !== undefined) await this.#useExternal(name, given, ended);
    else await this.#startContainer(name, ended);
  }

  async #useExternal(name: PartName, url: string, signal: AbortSignal): Promise<void> {
    try {
      await pollUntil(() => parts[name].probe(url), { timeoutMs: 10_000, intervalMs: 500, signal });
    } catch (error) {
      throw new StackError(
        'EXTERNAL_UNREACHABLE',
        `${name}: nothing usable answers at ${partVariables[name]}: ${reasonOf(error)}`,
        `unset ${partVariables[name]}   # also in .env, and a container is started`,
        { cause: error },
      );
    }
  }

  async #startContainer(name: PartName, ended: AbortSignal): Promise<void> {
    const { settings, log } = this.#options;
    const image = settings.images[name];
    const startedAt = performance.now();
    const host = this.#host();
    const part = containerParts[name]({ image, host, kafkaPort: this.#kafkaPort });
    const logFile = this.#options.paths.log(name);
    mkdirSync(dirname(logFile), { recursive: true });
    try {
      const started = await part.container
        .withLabels(ownerLabels())
        .withStartupTimeout(settings.startMs)
        .withLogConsumer((stream) => stream.pipe(createWriteStream(logFile)))
        .start();
      const url = part.urlOf(started);
      await pollUntil(() => parts[name].probe(url), { timeoutMs: parts[name].readyMs, signal: ended });
      this.#urls[name] = url;
      this.#watch(name, started.getId(), logFile);
    } catch (error) {
      ended.throwIfAborted();
      throw await this.#notReady(name, logFile, error);
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    log(`${name}: ready at ${this.#urls[name]} (container of ${image}, ${seconds} s)`);
  }

  async #notReady(name: PartName, logFile: string, error: unknown): Promise<StackError> {
    const image = this.#options.settings.images[name];
    const pulled = await hasImage(this.#client, image);
    const what = pulled ? `the container of ${image} is not ready` : `the image ${image} could not be pulled`;
    const where = pulled ? `; its log: ${logFile}` : '';
    return new StackError(
      'NOT_READY',
      `${name}: ${what}: ${reasonOf(error)}${where}`,
      pulled
        ? 'TEST_STACK=local npm test'
        : `docker pull ${image}   # or do without: TEST_STACK=local npm test`,
      { cause: error },
    );
  }

  /** Returns an address and not a name: `localhost` may be tried as ::1 first, where no port is published. */
  #host(): string {
    const { host } = this.#client.info.containerRuntime;
    return host === 'localhost' ? '127.0.0.1' : host;
  }

  #watch(name: PartName, id: string, logFile: string): void {
    const gone = (error: StackError): void => {
      if (this.#stopped !== undefined) return;
      this.#options.log(`${error.message}; ending the run`);
      this.#close(error);
    };
    const died = (how: string, cause?: unknown): StackError =>
      new StackError('PART_DIED', `${name}: ${how}; its log: ${logFile}`, 'docker ps -a', { cause });
    void this.#client.container
      .getById(id)
      .wait()
      .then(
        ({ StatusCode: code }: { StatusCode: number }) => gone(died(`its container has ended with ${code}`)),
        (error: unknown) => gone(died(`the engine does not answer: ${reasonOf(error)}`, error)),
      );
  }

  async #stop(): Promise<void> {
    this.#starting.abort(new StackError('ABORTED', 'the start was broken off', 'npm test'));
    const { cache, log } = this.#options;
    try {
      await within(removalMs, 'removing the containers', this.#removeAll());
    } catch (error) {
      log(`containers are left; the next start removes them: ${reasonOf(error)}`);
    }
    // A reservation that remains expires with this process.
    await releasePorts(cache, [this.#kafkaPort]).catch(() => undefined);
    this.#close(undefined);
  }

  /** Removes the containers twice, since a start under way may just have created one. */
  async #removeAll(): Promise<void> {
    await removeOwn(this.#client);
    await Promise.race([Promise.allSettled(this.#starts), delay(noticeMs)]);
    await removeOwn(this.#client);
  }
}
