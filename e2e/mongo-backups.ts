import { execFile } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath, stackPaths, type RunningStack } from '@bulk/local-stack';
import { noteSkipped } from '@bulk/tools/skipped-checks';

const DUMP_MS = 120_000;

/** A backup of MongoDB that was taken while nothing wrote. */
export interface MongoBackup {
  readonly restore: () => Promise<void>;
}

/** Copies the storage of a stack's MongoDB, which is stopped for it if it runs, and starts it. */
export async function backUpStorage(stack: RunningStack, name: string): Promise<MongoBackup> {
  const replace = async (from: 'data' | 'backup', to: 'data' | 'backup'): Promise<void> => {
    await stack.halt('mongo');
    moveStorage(name, from, to);
    await stack.resume('mongo');
  };
  await replace('data', 'backup');
  return { restore: () => replace('backup', 'data') };
}

function moveStorage(name: string, from: 'data' | 'backup', to: 'data' | 'backup'): void {
  const data = stackPaths(name).data('');
  const folders = { data, backup: join(data, 'backup') };
  const storages = readdirSync(folders[from]).filter((folder) => folder.startsWith('mongo-'));
  if (storages.length !== 1) throw new Error(`expected one storage of MongoDB, found ${storages.join(', ')}`);
  for (const folder of storages) {
    rmSync(join(folders[to], folder), { recursive: true, force: true });
    cpSync(join(folders[from], folder), join(folders[to], folder), { recursive: true });
  }
}

/**
 * Takes a backup with mongodump, if this machine has it. Nothing writes, so it is consistent without the oplog, which a
 * MongoDB that is no replica set does not have.
 */
export async function dumpIfPossible(
  stack: RunningStack,
  name: string,
  database: string,
): Promise<MongoBackup | undefined> {
  const mongodump = findOnPath('mongodump', process.env);
  const mongorestore = findOnPath('mongorestore', process.env);
  if (mongodump === undefined || mongorestore === undefined) {
    noteSkipped({
      name: 'backup with mongodump',
      reason: 'mongodump and mongorestore are not on the PATH',
    });
    return undefined;
  }
  const uri = `--uri=${stack.urls.mongodbUri}`;
  const archive = `--archive=${join(stackPaths(name).data(''), 'backup.archive')}`;
  const call = async (program: string, args: readonly string[]): Promise<void> => {
    await promisify(execFile)(program, [uri, archive, ...args], { timeout: DUMP_MS });
  };
  await call(mongodump, [`--db=${database}`]);
  // The services create the indexes. The server of the local stack takes a restored one for another index, because
  // mongorestore gives the options in another order.
  const args = ['--drop', '--noIndexRestore', `--nsInclude=${database}.*`];
  return { restore: () => call(mongorestore, args) };
}
