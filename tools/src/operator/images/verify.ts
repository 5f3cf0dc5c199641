import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import { TestInstallation } from '@bulk/testing';
import { DEFAULT_ACCOUNT } from '../seed/sample-data.ts';
import { choosePorts } from '../../processes/service-ports.ts';
import { SERVICES, type ServiceName } from '../../processes/services.ts';
import { type ComposeFile, readCompose } from './compose-file.ts';
import { Container, type ContainerEnd } from './container.ts';
import type { Docker } from './docker.ts';
import { IMAGES, imageReference, type Build } from './images.ts';
import { type NodeExpectation, nodeFault } from './node-version.ts';

/** Thrown when an image does not do its work. The message says which image and what is wrong. */
export class ImageFaultError extends CodedError {
  constructor(message: string) {
    super('IMAGE_FAULT', message);
  }
}

const POSITIONS = 1_000;
/** Sample contacts. */
const SEEDED = 50;
const READY_TIMEOUT_MS = 90_000;
const ACTION_TIMEOUT_MS = 120_000;
const GRACE_MS = 20_000;

/** What the images are expected to be. */
export interface Expected {
  readonly node: NodeExpectation;
  readonly build: Build;
}

/** What the images were seen to do. */
export interface Verified {
  /** The Node that every image has, as `node --version` prints it. */
  readonly node: string;
  /** How each service ended. */
  readonly ends: ReadonlyMap<ServiceName, ContainerEnd>;
}

/**
 * Verifies the images on an installation of their own.
 *
 * It compares the Node and the labels of each image with what is expected, and looks for programs
 * in addition to Node. Then it runs the installer and `seed` to their ends, the four services with
 * bulk actions through all of them, their health checks of deploy/compose.yaml, and the lag command.
 * It compares `bulk_build_info` of each service, and sends SIGTERM while they are idle.
 *
 * @param tag tag of the images.
 * @throws ImageFaultError, ContainerError, DockerError.
 */
export async function verifyImages(
  docker: Docker,
  tag: string,
  { node: expectedNode, build }: Expected,
): Promise<Verified> {
  const node = await verifyNode(docker, tag, expectedNode);
  await verifyLabels(docker, tag, build);
  await verifyPrograms(docker, tag);
  const installation = await TestInstallation.create('images', { SHUTDOWN_GRACE_MS: String(GRACE_MS) });
  try {
    await installation.database();
    // The commands and the health checks of deploy/compose.yaml, on other parts.
    const compose = readCompose();
    await runOps(docker, tag, installation, compose.commandOf('installer'));
    await runOps(docker, tag, installation, [...compose.commandOf('seed'), '--contacts', String(SEEDED)]);
    return { node, ends: await runServices(docker, tag, installation, { build, compose }) };
  } finally {
    await installation.dispose();
  }
}

/**
 * @returns the version, which is the same in every image, because all have one base.
 * @throws ImageFaultError, DockerError.
 */
async function verifyNode(docker: Docker, tag: string, expected: NodeExpectation): Promise<string> {
  let version = '';
  for (const name of IMAGES) {
    version = await Container.nodeVersion(docker, imageReference(name, tag));
    const fault = nodeFault(version, expected);
    if (fault !== undefined) throw new ImageFaultError(`${name}: ${fault}`);
  }
  return version;
}

async function verifyLabels(docker: Docker, tag: string, { version, revision }: Build): Promise<void> {
  const format = ['version', 'revision'].map(
    (label) => `{{index .Config.Labels "org.opencontainers.image.${label}"}}`,
  );
  for (const name of IMAGES) {
    const output = await docker.must([
      'image',
      'inspect',
      '--format',
      format.join(' '),
      imageReference(name, tag),
    ]);
    if (output.split('\n').at(-1) !== `${version} ${revision}`)
      throw new ImageFaultError(`${name}: expected the labels ${version} and ${revision}, found ${output}`);
  }
}

/** @throws ImageFaultError if an image contains a program in addition to Node, such as a shell or npm; DockerError. */
async function verifyPrograms(docker: Docker, tag: string): Promise<void> {
  for (const name of IMAGES) {
    const programs = await Container.programs(docker, imageReference(name, tag));
    if (programs.join() !== '/usr/local/bin/node')
      throw new ImageFaultError(`${name}: expected no program but Node, found ${programs.join(', ')}`);
  }
}

/** Runs a command of the image `ops` to its end. @throws ImageFaultError if it fails. */
async function runOps(
  docker: Docker,
  tag: string,
  installation: TestInstallation,
  command: readonly string[],
): Promise<void> {
  const container = await Container.start(docker, { name: 'ops', tag }, installation.env, command);
  installation.onDispose(() => container.remove());
  const exitCode = await container.ended();
  if (exitCode !== 0) throw new ImageFaultError(`ops ${command.join(' ')} ended with exit code ${exitCode}`);
}

/** @throws ImageFaultError unless `bulk_build_info` of a service names the build. */
async function verifyBuildInfo(name: ServiceName, adminPort: number, build: Build): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, {
    signal: AbortSignal.timeout(10_000),
  });
  const line = /^bulk_build_info\{.*$/m.exec(await response.text())?.[0] ?? '';
  const expected = [`version="${build.version}"`, `revision="${build.revision}"`];
  if (!expected.every((label) => line.includes(label)))
    throw new ImageFaultError(`${name}: expected bulk_build_info with ${expected.join(', ')}, found ${line}`);
}

async function runServices(
  docker: Docker,
  tag: string,
  installation: TestInstallation,
  { build, compose }: { build: Build; compose: ComposeFile },
): Promise<Map<ServiceName, ContainerEnd>> {
  const wishes = SERVICES.flatMap((name) => [{ purpose: name }, { purpose: `${name}.admin` }]);
  const ports = await choosePorts(wishes, process.env);
  installation.onDispose(() => ports.release());
  const containers: [ServiceName, Container][] = [];
  for (const name of SERVICES) {
    const own = { PORT: String(ports.port(name)), ADMIN_PORT: String(ports.port(`${name}.admin`)) };
    const container = await Container.start(docker, { name, tag }, { ...installation.env, ...own });
    installation.onDispose(() => container.remove());
    containers.push([name, container]);
  }
  for (const [name, container] of containers) {
    await container.waitUntilReady(ports.port(`${name}.admin`), READY_TIMEOUT_MS);
    await container.exec(compose.healthCheckOf(name));
    await verifyBuildInfo(name, ports.port(`${name}.admin`), build);
  }
  await runActions(`http://127.0.0.1:${ports.port('intake')}`, `ws://127.0.0.1:${ports.port('notifier')}`);
  await runOps(docker, tag, installation, ['lag', '--json']);
  const ends = await Promise.all(
    containers.map(async ([name, container]) => [name, await container.terminate()] as const),
  );
  for (const [name, { exitCode, ms }] of ends) {
    if (exitCode !== 0 || ms >= GRACE_MS)
      throw new ImageFaultError(`${name}: exit code ${exitCode} ${ms} ms after SIGTERM`);
  }
  return new Map(ends);
}

/** Creates contacts and changes seeded ones, and waits for the ends of the actions over the WebSocket. */
async function runActions(baseUrl: string, websocketUrl: string): Promise<void> {
  const created = Array.from({ length: POSITIONS }, (_, i) => ({ id: `c-${i}`, lastName: `Name ${i}` }));
  // The first request of README.md.
  const seeded = Array.from({ length: SEEDED }, (_, i) => ({ id: `contact-${i + 1}` }));
  const client = new BulkClient({ baseUrl, websocketUrl, accountId: DEFAULT_ACCOUNT });
  const actions = [
    { actionType: 'create', entityType: contact.name, entities: created },
    {
      actionType: 'update',
      entityType: contact.name,
      config: { set: { ownerId: 'user-7' } },
      entities: seeded,
    },
  ];
  for (const action of actions) {
    const { actionId } = await client.createAction(action);
    const { success } = await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS });
    const expected = action.entities.length;
    if (success !== expected)
      throw new ImageFaultError(`${action.actionType}: ${success} of ${expected} contacts succeeded`);
  }
}
