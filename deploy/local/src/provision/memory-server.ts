import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { reasonOf } from '../errors.ts';
import { readJson, writeAtomically } from '../files.ts';
import { packageRoot } from '../paths.ts';
import { type ProvisionContext, run, tail } from './tools.ts';

const version = '8.2.6';
const stallMs = 5_000;
const retryAfterMs = 24 * 3_600_000;

const failureSchema = z.object({ at: z.number(), reason: z.string() });

/**
 * Returns the `mongod` that mongodb-memory-server downloads, or undefined if it is not available.
 *
 * The download is cancelled as soon as nothing has arrived for a few seconds. The failure is remembered for a day, so
 * that a machine that reaches only package registries does not wait for the download again.
 */
export async function findMemoryServer(context: ProvisionContext): Promise<string | undefined> {
  const folder = join(context.cache, 'mongodb-binaries');
  const failureFile = join(folder, 'unavailable.json');
  const failure = readJson(failureFile, failureSchema);
  if (failure !== undefined && Date.now() - failure.at < retryAfterMs) return undefined;
  mkdirSync(folder, { recursive: true });
  try {
    const binary = await download(context, folder);
    rmSync(failureFile, { force: true });
    return binary;
  } catch (error) {
    context.signal?.throwIfAborted();
    const reason = reasonOf(error);
    context.log(
      `mongo: mongodb-memory-server has no mongod for this machine (${firstLine(reason)}); not asked again for a day`,
    );
    writeAtomically(failureFile, JSON.stringify({ at: Date.now(), reason }));
    return undefined;
  }
}

/** Downloads in a process of its own, because the library cannot cancel a download. */
async function download(context: ProvisionContext, folder: string): Promise<string> {
  const script = `
    const { MongoBinary } = await import('mongodb-memory-server-core/lib/util/MongoBinary.js');
    console.log('binary=' + await MongoBinary.getPath({ version: '${version}', downloadDir: process.argv[1] }));`;
  const stalled = new AbortController();
  const finished = new AbortController();
  const work = run(process.execPath, ['--input-type=module', '-e', script, folder], {
    cwd: packageRoot,
    env: { ...context.env, NODE_OPTIONS: '', MONGOMS_PREFER_GLOBAL_PATH: 'false' },
    signal: AbortSignal.any([stalled.signal, ...(context.signal === undefined ? [] : [context.signal])]),
  });
  const watch = watchProgress(folder, finished.signal, () => stalled.abort());
  try {
    const result = await work;
    const binary = /^binary=(.+)$/m.exec(result.output)?.[1];
    if (result.code === 0 && binary !== undefined && existsSync(binary)) return binary;
    throw new Error(tail(result.output, 12));
  } catch (error) {
    throw stalled.signal.aborted ? new Error(`nothing arrived for ${stallMs / 1000} s`) : error;
  } finally {
    finished.abort();
    await watch;
  }
}

async function watchProgress(folder: string, until: AbortSignal, onStall: () => void): Promise<void> {
  let [bytes, changedAt] = [folderSize(folder), Date.now()];
  for (;;) {
    await delay(250, undefined, { signal: until }).catch(() => undefined);
    if (until.aborted) return;
    const now = folderSize(folder);
    if (now !== bytes) [bytes, changedAt] = [now, Date.now()];
    if (Date.now() - changedAt > stallMs) {
      onStall();
      return;
    }
  }
}

function folderSize(folder: string): number {
  return readdirSync(folder)
    .map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

function firstLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return (lines.find((line) => /error/i.test(line)) ?? lines[0] ?? '').slice(0, 160);
}
