import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, workspaceRoot, type Environment } from '@bulk/local-stack';
import { z } from 'zod';
import { SERVICES } from '../../processes/services.ts';
import type { Docker } from './docker.ts';

/**
 * The images of an installation: the targets of the Dockerfile, and the suffixes of their names.
 */
export const IMAGES = [...SERVICES, 'ops'] as const;
export type ImageName = (typeof IMAGES)[number];

export const DOCKERFILE = join(workspaceRoot, 'deploy', 'images', 'Dockerfile');
const manifestSchema = z.object({ version: z.string() });
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
  /** What `bulk_build_info` and the labels of the images say. */
  readonly build: Build;
  readonly onOutput?: (text: string) => void;
}

/** The version and the commit of a build. */
export interface Build {
  readonly version: string;
  readonly revision: string;
}

const MAX_GIT_MS = 10_000;

/**
 * Returns the version of the workspace and its commit, with `-dirty` if files differ from the
 * commit. Without a history the revision is `unknown`.
 */
export async function buildOfWorkspace(env: Environment): Promise<Build> {
  const text = readFileSync(join(workspaceRoot, 'package.json'), 'utf8');
  const { version } = manifestSchema.parse(JSON.parse(text));
  const args = ['describe', '--always', '--dirty', '--abbrev=40', '--match='];
  const { code, output } = await run('git', args, { env, cwd: workspaceRoot, timeoutMs: MAX_GIT_MS });
  return { version, revision: code === 0 ? output.trim() : 'unknown' };
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
  const { base, tag, network, npmRegistry, build, onOutput } = options;
  const sizes = new Map<ImageName, number>();
  for (const name of IMAGES) {
    const reference = imageReference(name, tag);
    const args = [
      ...['build', '--file', DOCKERFILE, '--target', name, '--tag', reference],
      ...['--build-arg', `BUILD_VERSION=${build.version}`],
      ...['--build-arg', `BUILD_REVISION=${build.revision}`],
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
