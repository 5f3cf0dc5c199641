import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  findOnPath,
  installPackage,
  provideNode,
  readNodeVersions,
  run,
  startOwnEngine,
  workspaceRoot,
  type OwnEngine,
  type ProvisionContext,
} from '@bulk/local-stack';
import { z } from 'zod';
import { Docker } from './docker.ts';
import { DOCKERFILE } from './images.ts';
import type { NodeExpectation } from './node-version.ts';

const BASE_SCRIPT = join(dirname(DOCKERFILE), 'base.sh');
const manifestSchema = z.object({ engines: z.object({ node: z.string() }) });
const BASE_TIMEOUT_MS = 600_000;
/** Age up to which intermediate images of the tool's own engine are kept for the next build. */
const KEPT = 'until=48h';

/** An engine that can build and run images. */
export interface Builder {
  readonly docker: Docker;
  /** Base image that replaces the Dockerfile's own base. */
  readonly base: string | undefined;
  /** Network of the build's containers. */
  readonly network: string | undefined;
  /**
   * The Node of every image: the declared version, or, with a requested base, any that `engines`
   * admits.
   */
  readonly node: NodeExpectation;
  /** Ends the engine if the tool started it. */
  close(): Promise<void>;
}

export interface BuilderWishes {
  readonly base?: string | undefined;
  readonly network?: string | undefined;
}

/**
 * Finds an engine that can build images.
 *
 * It is the running engine if it has the requested base (or the Dockerfile's own). Otherwise the
 * tool starts an engine of its own with a base that is made of Debian, if it runs as root on
 * Debian.
 *
 * @returns otherwise the reason, in a few words.
 */
export async function openBuilder(
  context: ProvisionContext,
  wishes: BuilderWishes,
): Promise<Builder | string> {
  const docker = new Docker(context.env, context.signal);
  const whyNot = await docker.whyNot();
  if (whyNot === undefined) {
    const base = wishes.base ?? dockerfileBase();
    const whyNoImage = await docker.whyNoImage(base);
    if (whyNoImage === undefined) {
      return {
        docker,
        base: wishes.base,
        network: wishes.network,
        node: nodeOf(wishes),
        close: () => Promise.resolve(),
      };
    }
    // A running engine of another owner, here or elsewhere, gets no image without a request.
    return whyNoImage;
  }
  let engine: OwnEngine | undefined;
  try {
    engine = await startOwnEngine(context);
    return await ownBuilder(engine, context, wishes);
  } catch (error) {
    await engine?.stop();
    context.signal?.throwIfAborted();
    return `${whyNot}, and none can be started: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function ownBuilder(
  engine: OwnEngine,
  context: ProvisionContext,
  wishes: BuilderWishes,
): Promise<Builder> {
  const docker = new Docker(engine.env, context.signal);
  const base = wishes.base ?? (await provideBase(docker, { ...context, env: engine.env }));
  return {
    docker,
    base,
    // This engine has no other network.
    network: 'host',
    node: nodeOf(wishes),
    close: async () => {
      await docker.must(['image', 'prune', '--force', '--filter', KEPT]).catch(() => undefined);
      await engine.stop();
    },
  };
}

function nodeOf({ base }: BuilderWishes): NodeExpectation {
  if (base === undefined) return { exactly: readNodeVersions().images.version };
  const text = readFileSync(join(workspaceRoot, 'package.json'), 'utf8');
  return { engines: manifestSchema.parse(JSON.parse(text)).engines.node };
}

/**
 * Provides the base that deploy/images/base.sh makes. It is made once for each version of Node and
 * of that script.
 */
async function provideBase(docker: Docker, context: ProvisionContext): Promise<string> {
  const { images: release } = readNodeVersions();
  const made = createHash('sha256').update(release.version).update(readFileSync(BASE_SCRIPT)).digest('hex');
  const name = `bulk-base:${made.slice(0, 12)}`;
  if (await docker.has(name)) return name;
  // The script takes Node from the cache. A failure to provide it is reported better here.
  await provideNode(context, release);
  if (findOnPath('debootstrap', context.env) === undefined)
    await installPackage(context, { what: 'debootstrap', packages: ['debootstrap'] });
  context.log(`images: making the base image ${name} (once)…`);
  const { code, output } = await run(BASE_SCRIPT, [name], {
    env: context.env,
    cwd: workspaceRoot,
    signal: context.signal,
    timeoutMs: BASE_TIMEOUT_MS,
  });
  if (code !== 0) throw new Error(`deploy/images/base.sh fails: ${output.trim().split('\n').at(-1) ?? ''}`);
  return name;
}

function dockerfileBase(): string {
  const [, base = ''] = /^ARG BASE_IMAGE=(\S+)$/m.exec(readFileSync(DOCKERFILE, 'utf8')) ?? [];
  return base;
}
