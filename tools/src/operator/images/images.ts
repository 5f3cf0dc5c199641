import { join } from 'node:path';
import { workspaceRoot } from '@bulk/local-stack';
import { SERVICES } from '../../processes/services.ts';
import type { Docker } from './docker.ts';

/**
 * The images of an installation: the targets of the Dockerfile, and the suffixes of their names.
 */
export const IMAGES = [...SERVICES, 'installer'] as const;
export type ImageName = (typeof IMAGES)[number];

export const DOCKERFILE = join(workspaceRoot, 'deploy', 'images', 'Dockerfile');
export const IMAGE_PREFIX = 'bulk-action-platform';
/** User and group of the process. They exist on no host. */
export const IMAGE_USER = '10001:10001';

export interface BuildOptions {
  /** Base image that replaces the Dockerfile's own base. */
  readonly base?: string | undefined;
  /** Tag of every image. */
  readonly tag: string;
  /** Network of the build's containers: `host` if only the host reaches the package registries. */
  readonly network?: string | undefined;
  /** Source of npm packages, if it is not npm's own registry. */
  readonly npmRegistry?: string | undefined;
  readonly onOutput?: (text: string) => void;
}

export function imageReference(name: ImageName, tag: string): string {
  return `${IMAGE_PREFIX}/${name}:${tag}`;
}

/**
 * Builds all images.
 *
 * @returns size of each image with all its layers, in bytes.
 * @throws DockerError.
 */
export async function buildImages(docker: Docker, options: BuildOptions): Promise<Map<ImageName, number>> {
  const { base, tag, network, npmRegistry, onOutput } = options;
  const sizes = new Map<ImageName, number>();
  for (const name of IMAGES) {
    const reference = imageReference(name, tag);
    const args = [
      ...['build', '--file', DOCKERFILE, '--target', name, '--tag', reference],
      ...(base === undefined ? [] : ['--build-arg', `BASE_IMAGE=${base}`]),
      ...(npmRegistry === undefined ? [] : ['--build-arg', `NPM_CONFIG_REGISTRY=${npmRegistry}`]),
      ...(network === undefined ? [] : ['--network', network]),
      workspaceRoot,
    ];
    await docker.must(args, onOutput);
    sizes.set(name, await docker.sizeOf(reference));
  }
  return sizes;
}
