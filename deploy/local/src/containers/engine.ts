import { type ContainerRuntimeClient, getContainerRuntimeClient, ImageName } from 'testcontainers';
import { within } from '../poll.ts';
import type { EngineReport } from './choice.ts';

/** An engine that does not answer a question about itself soon would not run tests either. */
const answerMs = 10_000;

/** The engine that testcontainers finds (DOCKER_HOST, the usual sockets); undefined when none answers. */
export async function findEngine(): Promise<ContainerRuntimeClient | undefined> {
  return within(answerMs, 'container engine', getContainerRuntimeClient()).catch(() => undefined);
}

/** Whether an engine answers, and which of these images it lacks. Pulls nothing. */
export async function lookAtEngine(images: readonly string[]): Promise<EngineReport> {
  const client = await findEngine();
  if (client === undefined) return { missing: images };
  const missing: string[] = [];
  for (const image of images) if (!(await hasImage(client, image))) missing.push(image);
  return { engine: `Docker ${client.info.containerRuntime.serverVersion}`, missing };
}

/** An engine that cannot say it, or says it in unusual words, counts as one without the image. */
export function hasImage(client: ContainerRuntimeClient, image: string): Promise<boolean> {
  return within(answerMs, image, client.image.exists(ImageName.fromString(image))).catch(() => false);
}
