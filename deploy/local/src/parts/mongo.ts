import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MongoClient } from 'mongodb';
import { writeAtomically } from '../files.ts';
import type { StackPaths } from '../paths.ts';
import { findMemoryServer } from '../provision/memory-server.ts';
import { findSecantusRust, provideSecantusWheel } from '../provision/secantus.ts';
import { findOnPath } from '../provision/tools.ts';
import { within } from '../poll.ts';
import type { LaunchContext, Launcher, Part } from './part.ts';

/** A server that speaks MongoDB's protocol, as a replica set of one member: transactions need a replica set. */
export const mongo: Part = {
  name: 'mongo',
  usualPort: 27017,
  readyMs: 45_000,
  stopMs: 10_000,
  // The connection is direct: a single member needs no discovery, and its name for itself may not resolve.
  urlFor: (port) => `mongodb://127.0.0.1:${port}/?directConnection=true`,

  /** Chooses a server in order of fidelity: real MongoDB if there is one, then the packages of registries. */
  async provide(context) {
    const onPath = findOnPath('mongod', context.env);
    if (onPath !== undefined) return mongod(onPath, 'mongod of the PATH');
    const downloaded = await findMemoryServer(context);
    if (downloaded !== undefined) return mongod(downloaded, 'mongod of mongodb-memory-server');
    const rust = await findSecantusRust(context);
    const keepsWheel = hasData(context.paths, WHEEL) && !hasData(context.paths, RUST);
    if (rust !== undefined && !keepsWheel) return secantus(rust, 'SecantusDB (Rust)', RUST);
    const wheel = await provideSecantusWheel(context);
    context.log(
      rust === undefined
        ? 'mongo: SecantusDB from its wheel is slow; `npm run stack -- build-mongo` builds the fast one'
        : 'mongo: the fast engine is ready, and this stack has data of the slow one; `npm run stack -- reset` deletes them and switches',
    );
    return secantus(wheel, WHEEL_ENGINE, WHEEL);
  },

  async probe(url) {
    const client = new MongoClient(url, {
      serverSelectionTimeoutMS: 3_000,
      connectTimeoutMS: 3_000,
      socketTimeoutMS: 10_000,
    });
    try {
      await within(10_000, 'mongo', writeScratch(client));
    } finally {
      await client.close().catch(() => undefined);
    }
  },
};

/** Names of the data folders of the two builds. */
const RUST = 'secantus-rust';
const WHEEL = 'secantus-wheel';

/** The engine of a first start, which is slow. */
export const WHEEL_ENGINE = 'SecantusDB (wheel)';

/** Writes a document, because a server that answers `ping` may still have no primary. */
async function writeScratch(client: MongoClient): Promise<void> {
  await client.db('admin').command({ ping: 1 });
  const scratch = client.db('local_stack_probe').collection<{ _id: string; at: Date }>('writes');
  await scratch.updateOne({ _id: 'probe' }, { $set: { at: new Date() } }, { upsert: true });
}

function mongod(command: string, engine: string): Launcher {
  return {
    engine,
    prepare: (context) => {
      const folder = dataFolder(context, 'mongod');
      const args = [
        '--port',
        String(context.port),
        '--bind_ip',
        '127.0.0.1',
        '--dbpath',
        folder,
        '--replSet',
        'bulk',
      ];
      return Promise.resolve({ command, args, cwd: context.paths.root });
    },
    initialise: initiateReplicaSet,
  };
}

/** Creates the replica set at the first start, and renames its member if the port has changed since. */
async function initiateReplicaSet(port: number): Promise<void> {
  const client = new MongoClient(mongo.urlFor(port), { serverSelectionTimeoutMS: 3_000 });
  const host = `127.0.0.1:${port}`;
  try {
    const admin = client.db('admin');
    const found = await admin.command({ replSetGetConfig: 1 }).catch(() => undefined);
    const config = found?.config as { version: number; members: { host: string }[] } | undefined;
    if (config === undefined) {
      await admin.command({ replSetInitiate: { _id: 'bulk', members: [{ _id: 0, host }] } });
    } else if (config.members[0]?.host !== host) {
      const members = config.members.map((member) => ({ ...member, host }));
      await admin.command({
        replSetReconfig: { ...config, version: config.version + 1, members },
        force: true,
      });
    }
  } finally {
    await client.close().catch(() => undefined);
  }
}

function secantus(command: string, engine: string, folderName: string): Launcher {
  return {
    engine,
    prepare: (context) => {
      const folder = dataFolder(context, folderName);
      // An explicit file keeps the server from reading a user's settings in the home folder.
      const config = context.paths.data('secantusd.toml');
      writeAtomically(config, '# Nothing is set here: see the command line.\n');
      const flags = {
        config,
        host: '127.0.0.1',
        port: context.port,
        'storage-path': folder,
        'log-level': 'WARNING',
        'cache-size': '512M',
        // mongod does the same, so that a quiet change stream's resume token stays within the log's window.
        'noop-heartbeat-seconds': 10,
      };
      const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
      // Without this flag, the last acknowledged writes are in the memory of the process, and a SIGKILL loses them.
      // mongod has them in its journal.
      if (context.env['STACK_MONGO_DURABLE'] === 'true') args.push('--sync-on-commit');
      return Promise.resolve({ command, args, cwd: context.paths.root });
    },
  };
}

/**
 * Returns the engine's own data folder, because engines cannot read each other's files. It reports the data of another
 * engine.
 */
function dataFolder(context: LaunchContext, engine: string): string {
  const folder = folderOf(context.paths, engine);
  if (!existsSync(folder)) {
    const parent = dirname(folder);
    const others = existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith('mongo-')) : [];
    if (others.length > 0) {
      context.log(
        `mongo: the engine has changed; data of the former one stays in ${join(parent, others.join(', '))}, unread. ` +
          '`npm run stack -- reset` deletes the data of all parts together',
      );
    }
    mkdirSync(folder, { recursive: true });
  }
  return folder;
}

function folderOf(paths: StackPaths, engine: string): string {
  return paths.data(`mongo-${engine}`);
}

/** Returns whether a stack has data of an engine. */
function hasData(paths: StackPaths, engine: string): boolean {
  return existsSync(folderOf(paths, engine));
}
