import { hostname } from 'node:os';
import type { ContainerRuntimeClient } from 'testcontainers';
import { isAlive, ownIdentity } from '../processes.ts';

/** Labels that identify the owner of a container: a process of a machine. */
const label = {
  host: 'bulk-action-platform.test-stack.host',
  pid: 'bulk-action-platform.test-stack.pid',
  startedAt: 'bulk-action-platform.test-stack.process-started-at',
} as const;

/** Returns the labels of this process's containers. */
export function ownerLabels(): Record<string, string> {
  const { pid, startedAt } = ownIdentity();
  return { [label.host]: hostname(), [label.pid]: String(pid), [label.startedAt]: startedAt };
}

/** Removes this process's containers, running or not, with their volumes. Returns how many there were. */
export function removeOwn(client: ContainerRuntimeClient): Promise<number> {
  const { pid, startedAt } = ownIdentity();
  return removeWhere(client, (owner) => owner.pid === pid && owner.startedAt === startedAt);
}

/** Removes the containers of ended processes of this machine: a killed process cannot clean up. */
export function removeLeftovers(client: ContainerRuntimeClient): Promise<number> {
  return removeWhere(client, (owner) => !isAlive(owner));
}

async function removeWhere(
  client: ContainerRuntimeClient,
  isMeant: (owner: { pid: number; startedAt: string }) => boolean,
): Promise<number> {
  const { dockerode } = client.container;
  // Processes of another machine, at a shared engine, cannot be judged here.
  const filters = { label: [`${label.host}=${hostname()}`] };
  const ours = (await dockerode.listContainers({ all: true, filters })).filter(({ Labels }) =>
    isMeant({ pid: Number(Labels[label.pid]), startedAt: Labels[label.startedAt] ?? '' }),
  );
  const removals = ours.map(({ Id }) => dockerode.getContainer(Id).remove({ force: true, v: true }));
  for (const result of await Promise.allSettled(removals)) {
    if (result.status === 'rejected' && !isGone(result.reason)) throw result.reason;
  }
  return ours.length;
}

/**
 * Returns whether another party (testcontainers after a failed start, Ryuk) has removed the container, or is about to.
 */
function isGone(error: unknown): boolean {
  const { statusCode } = error as { statusCode?: number };
  return statusCode === 404 || statusCode === 409;
}
