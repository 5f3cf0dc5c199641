import { type ContainerRuntimeClient, getContainerRuntimeClient, ImageName } from 'testcontainers';
import { within } from '../poll.ts';
import type { EngineReport } from './choice.ts';

/** Time limit for a question about the engine. An engine that answers later would not run tests either. */
const answerMs = 10_000;

/** Returns the engine that testcontainers finds (DOCKER_HOST, the usual sockets); undefined if none answers. */
export async function findEngine(): Promise<ContainerRuntimeClient | undefined> {
  return within(answerMs, 'container engine', getContainerRuntimeClient()).catch(() => undefined);
}

/** Checks whether an engine answers, and which of these images it lacks. It pulls nothing. */
export async function lookAtEngine(images: readonly string[]): Promise<EngineReport> {
  const client = await findEngine();
  if (client === undefined) return { missing: images };
  const missing: string[] = [];
  for (const image of images) if (!(await hasImage(client, image))) missing.push(image);
  return { engine: `Docker ${client.info.containerRuntime.serverVersion}`, missing };
}

/**
 * Returns whether the engine has an image. An engine that cannot report it, or reports it unusually, counts as lacking
 * it.
 */
export function hasImage(client: ContainerRuntimeClient, image: string): Promise<boolean> {
  return within(answerMs, image, client.image.exists(ImageName.fromString(image))).catch(() => false);
}
