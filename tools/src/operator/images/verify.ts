import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { CodedError } from '@bulk/domain';
import { TestInstallation } from '@bulk/testing';
import { choosePorts } from '../../processes/service-ports.ts';
import { SERVICES, type ServiceName } from '../../processes/services.ts';
import { Container, type ContainerEnd } from './container.ts';
import type { Docker } from './docker.ts';
import { IMAGES, imageReference } from './images.ts';
import { type NodeExpectation, nodeFault } from './node-version.ts';

/** Thrown when an image does not do its work. The message says which image and what is wrong. */
export class ImageFaultError extends CodedError {
  constructor(message: string) {
    super('IMAGE_FAULT', message);
  }
}

const ACCOUNT = 'acme';
const POSITIONS = 1_000;
const READY_TIMEOUT_MS = 90_000;
const ACTION_TIMEOUT_MS = 120_000;
const GRACE_MS = 20_000;

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
 * It compares the Node of each image with what is expected. Then it runs the installer to its end,
 * the four services with a bulk action through all of them, and sends SIGTERM while they are idle.
 *
 * @param tag tag of the images.
 * @param expected the expected Node.
 * @throws ImageFaultError, ContainerError, DockerError.
 */
export async function verifyImages(
  docker: Docker,
  tag: string,
  expected: NodeExpectation,
): Promise<Verified> {
  const node = await verifyNode(docker, tag, expected);
  const installation = await TestInstallation.create('images', { SHUTDOWN_GRACE_MS: String(GRACE_MS) });
  try {
    await installation.database();
    await runInstaller(docker, tag, installation);
    return { node, ends: await runServices(docker, tag, installation) };
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

async function runInstaller(docker: Docker, tag: string, installation: TestInstallation): Promise<void> {
  const container = await Container.start(docker, { name: 'installer', tag }, installation.env);
  installation.onDispose(() => container.remove());
  const exitCode = await container.ended();
  if (exitCode !== 0) throw new ImageFaultError(`installer ended with exit code ${exitCode}`);
}

async function runServices(
  docker: Docker,
  tag: string,
  installation: TestInstallation,
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
  }
  await runAction(`http://127.0.0.1:${ports.port('intake')}`, `ws://127.0.0.1:${ports.port('notifier')}`);
  const ends = await Promise.all(
    containers.map(async ([name, container]) => [name, await container.terminate()] as const),
  );
  for (const [name, { exitCode, ms }] of ends) {
    if (exitCode !== 0 || ms >= GRACE_MS)
      throw new ImageFaultError(`${name}: exit code ${exitCode} ${ms} ms after SIGTERM`);
  }
  return new Map(ends);
}

/** Creates contacts, and waits for the end of the action over the WebSocket. */
async function runAction(baseUrl: string, websocketUrl: string): Promise<void> {
  const client = new BulkClient({ baseUrl, websocketUrl, accountId: ACCOUNT });
  const { actionId } = await client.createAction({
    actionType: 'create',
    entityType: contact.name,
    entities: Array.from({ length: POSITIONS }, (_, i) => ({ id: `c-${i}`, lastName: `Name ${i}` })),
  });
  const { success } = await client.waitForCompletion(actionId, { timeoutMs: ACTION_TIMEOUT_MS });
  if (success !== POSITIONS) throw new ImageFaultError(`${success} of ${POSITIONS} contacts were created`);
}
