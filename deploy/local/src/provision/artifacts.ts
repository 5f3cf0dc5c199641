import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { StackError } from '../errors.ts';
import { readJson, writeAtomically } from '../files.ts';
import { withLock } from '../lock.ts';
import type { ProvisionContext } from './tools.ts';

const manifestSchema = z.record(z.string(), z.string().length(64));
const manifestName = 'manifest.json';

/** A folder of the cache that is either complete and verified, or absent. */
export interface CachedFolder {
  readonly name: string;
  /** Fills the empty folder with files that are verified against pinned checksums. */
  readonly fill: (folder: string) => Promise<void>;
}

/**
 * Returns the folder from the cache, verified again, or creates it. It fills a draft next to it and renames the draft
 * when it is complete, so that an interrupted download is never taken for a complete one.
 */
export async function provideFolder(context: ProvisionContext, wanted: CachedFolder): Promise<string> {
  const folder = join(context.cache, wanted.name);
  if (await matchesManifest(folder)) return folder;
  const options = { timeoutMs: 900_000, signal: context.signal };
  return withLock(`${folder}.lock`, options, async () => {
    if (await matchesManifest(folder)) return folder;
    if (existsSync(folder)) context.log(`cache: ${wanted.name} is damaged, fetching it again`);
    const draft = `${folder}.${process.pid}.part`;
    removeDrafts(folder);
    mkdirSync(draft, { recursive: true });
    try {
      await wanted.fill(draft);
      writeAtomically(join(draft, manifestName), JSON.stringify(await hashTree(draft), null, 1));
      rmSync(folder, { recursive: true, force: true });
      renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
    return folder;
  });
}

/** Removes the drafts of killed processes. Under the folder's lock no process fills one. */
function removeDrafts(folder: string): void {
  for (const name of readdirSync(dirname(folder))) {
    if (name.startsWith(`${basename(folder)}.`) && name.endsWith('.part')) {
      rmSync(join(dirname(folder), name), { recursive: true, force: true });
    }
  }
}

async function matchesManifest(folder: string): Promise<boolean> {
  const manifest = readJson(join(folder, manifestName), manifestSchema);
  if (manifest === undefined) return false;
  const found = await hashTree(folder);
  const names = Object.keys(manifest);
  return names.length === Object.keys(found).length && names.every((name) => found[name] === manifest[name]);
}

async function hashTree(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (name !== manifestName) hashes[name] = await sha256(path);
  }
  return hashes;
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Parses the lines of `sha256sum`. */
export function parseChecksums(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return new Map(
    lines.map((line) => {
      const [hash = '', name = ''] = line.trim().split(/\s+\*?/);
      return [name, hash];
    }),
  );
}

/**
 * Compares the files of a folder with the checksums pinned in this repository: no file may be missing, surplus or
 * different.
 */
export async function verifyPinned(folder: string, checksumFile: string): Promise<void> {
  const pinned = parseChecksums(readFileSync(checksumFile, 'utf8'));
  const found = await hashTree(folder);
  const wrong = [
    ...[...pinned].filter(([name, hash]) => found[name] !== hash).map(([name]) => name),
    ...Object.keys(found).filter((name) => !pinned.has(name)),
  ];
  if (wrong.length > 0) {
    throw new StackError(
      'CHECKSUM_MISMATCH',
      `downloaded files differ from ${basename(dirname(checksumFile))}/${basename(checksumFile)}: ${wrong.slice(0, 5).join(', ')}`,
      'npm run stack -- up   # downloads again; if it persists, do not trust the source',
    );
  }
}
