import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackage } from './apt.ts';
import { provideFolder } from './artifacts.ts';
import type { ProvisionContext } from './tools.ts';

/** The packages of Docker's engine in Debian, and the libraries that a small installation lacks. */
const PACKAGES = ['docker.io', 'containerd', 'runc', 'tini', 'libdevmapper1.02.1', 'libseccomp2'] as const;
/** The folders of the programs in these packages. */
const PROGRAMS = [join('usr', 'bin'), join('usr', 'sbin')];

/** Docker's engine as files that are not installed. */
export interface DockerFiles {
  /** Folder of `dockerd`, `containerd`, `runc`, `docker` and their helpers. */
  readonly programs: string;
  /** Folder of the libraries. */
  readonly libraries: string;
}

/**
 * Provides Debian's Docker engine, unpacked into the cache. An installation would start it as a service of the machine.
 *
 * @throws StackError MISSING_TOOL if this is not Debian or we are not root; INSTALL_FAILED.
 */
export async function provideDocker(context: ProvisionContext): Promise<DockerFiles> {
  mkdirSync(context.cache, { recursive: true });
  const folder = await provideFolder(context, {
    name: 'docker-engine',
    fill: async (draft) => {
      const unpacked = join(draft, 'unpacked');
      const [programs, libraries] = [join(draft, 'programs'), join(draft, 'libraries')];
      for (const made of [unpacked, programs, libraries]) mkdirSync(made);
      for (const name of PACKAGES) await unpackPackage(context, name, unpacked);
      for (const from of PROGRAMS) moveFiles(join(unpacked, from), programs);
      // The libraries are in a folder of the architecture, such as x86_64-linux-gnu.
      for (const lib of ['lib', join('usr', 'lib')]) moveLibraries(join(unpacked, lib), libraries);
      rmSync(unpacked, { recursive: true });
    },
  });
  return { programs: join(folder, 'programs'), libraries: join(folder, 'libraries') };
}

function moveFiles(from: string, to: string): void {
  for (const entry of entriesOf(from)) {
    if (entry.isFile() || entry.isSymbolicLink()) renameSync(join(from, entry.name), join(to, entry.name));
  }
}

function moveLibraries(from: string, to: string): void {
  for (const entry of entriesOf(from)) {
    if (entry.isDirectory() && entry.name.endsWith('-linux-gnu')) moveFiles(join(from, entry.name), to);
  }
}

/** Returns the entries of a folder; none if it does not exist. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
