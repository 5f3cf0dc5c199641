import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '@bulk/domain';
import { z } from 'zod';
import { probeReadiness } from '../../processes/readiness.ts';
import type { Docker } from './docker.ts';
import { IMAGE_USER, imageReference, type ImageName } from './images.ts';

/**
 * Thrown when a container is not ready in time, or has ended. The message has the last lines of its
 * log.
 */
export class ContainerError extends CodedError {
  constructor(name: string, reason: string, log: string) {
    super('CONTAINER_FAILED', `${name}: ${reason}\n${log}`);
  }
}

/**
 * The restrictions of the manifests: no root, no writes, no capability. The container uses the
 * host's network to reach the stack.
 */
const RESTRICTIONS = [
  ...['--network', 'host', '--read-only', '--user', IMAGE_USER, '--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges', '--memory', '512m', '--pids-limit', '128'],
];
const READY_POLL_MS = 200;

/** Runs in an image. Docker itself adds an empty executable file. */
const LIST_PROGRAMS = `
  const fs = require('node:fs');
  const found = [];
  const visit = (folder) => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const path = require('node:path').join(folder, entry.name);
      if (['/app', '/dev', '/proc', '/sys'].includes(path)) continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && !/[.]so([.]|$)/.test(entry.name)) {
        const { mode, size } = fs.statSync(path);
        if (size > 0 && (mode & 0o111) !== 0) found.push(path);
      }
    }
  };
  visit('/');
  console.log(JSON.stringify(found));
`;

/** How a container ended, and how long that took after SIGTERM, in ms. */
export interface ContainerEnd {
  readonly exitCode: number;
  readonly ms: number;
}

/** One running image. */
export class Container {
  readonly #docker: Docker;
  readonly #id: string;
  readonly name: ImageName;

  private constructor(docker: Docker, name: ImageName, id: string) {
    this.#docker = docker;
    this.name = name;
    this.#id = id;
  }

  /** @throws DockerError. */
  static async start(
    docker: Docker,
    image: { readonly name: ImageName; readonly tag: string },
    env: Readonly<Record<string, string>>,
    command: readonly string[] = [],
  ): Promise<Container> {
    const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const id = `bulk-verify-${image.name}-${randomBytes(4).toString('hex')}`;
    const args = ['run', '--detach', '--name', id, ...RESTRICTIONS, ...variables];
    await docker.must([...args, imageReference(image.name, image.tag), ...command]);
    return new Container(docker, image.name, id);
  }

  /** Returns what `node --version` prints in an image. @throws DockerError. */
  static async nodeVersion(docker: Docker, reference: string): Promise<string> {
    const options = ['--rm', '--network', 'none', '--entrypoint', 'node'];
    const output = await docker.must(['run', ...options, reference, '--version']);
    // The command may print a warning of its engine first.
    return output.split('\n').at(-1) ?? '';
  }

  /**
   * Returns the programs of an image outside of its own folder: the executable files that are no
   * libraries.
   *
   * @throws DockerError.
   */
  static async programs(docker: Docker, reference: string): Promise<string[]> {
    const options = ['--rm', '--network', 'none', '--entrypoint', 'node'];
    const output = await docker.must(['run', ...options, reference, '--eval', LIST_PROGRAMS]);
    return z.array(z.string()).parse(JSON.parse(output.split('\n').at(-1) ?? ''));
  }

  /** Runs a command in the container, as a health check does, without a shell. @throws DockerError if it fails. */
  async exec(command: readonly string[]): Promise<void> {
    await this.#docker.must(['exec', this.#id, ...command]);
  }

  /** @throws ContainerError. */
  async waitUntilReady(adminPort: number, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const seen = await probeReadiness(adminPort);
      if (seen === 'ready') return;
      const running = await this.#docker.must(['inspect', '--format', '{{.State.Running}}', this.#id]);
      if (running !== 'true') throw new ContainerError(this.name, 'has ended by itself', await this.#log());
      if (Date.now() >= deadline) {
        throw new ContainerError(this.name, `not ready: ${seen.waitingFor}`, await this.#log());
      }
      await sleep(READY_POLL_MS);
    }
  }

  /** Returns the exit code, once the container has ended by itself. */
  async ended(): Promise<number> {
    return Number(await this.#docker.must(['wait', this.#id]));
  }

  /** Sends SIGTERM, as Kubernetes does, and waits for the end. */
  async terminate(): Promise<ContainerEnd> {
    const startedAt = performance.now();
    await this.#docker.must(['kill', '--signal', 'SIGTERM', this.#id]);
    const exitCode = await this.ended();
    return { exitCode, ms: Math.round(performance.now() - startedAt) };
  }

  /** Removes the container, running or not. */
  async remove(): Promise<void> {
    await this.#docker.must(['rm', '--force', '--volumes', this.#id]);
  }

  #log(): Promise<string> {
    return this.#docker.must(['logs', '--tail', '15', this.#id]);
  }
}
