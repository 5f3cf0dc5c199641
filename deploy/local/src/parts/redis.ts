import { mkdirSync } from 'node:fs';
import { Redis } from 'ioredis';
import { within } from '../poll.ts';
import { provideRedis } from '../provision/redis.ts';
import type { Part } from './part.ts';

/** Redis with its append-only file, so that a restart keeps what the services stored. */
export const redis: Part = {
  name: 'redis',
  usualPort: 6379,
  readyMs: 20_000,
  stopMs: 5_000,
  urlFor: (port) => `redis://127.0.0.1:${port}`,

  async provide(context) {
    const command = await provideRedis(context);
    return {
      engine: 'Redis',
      prepare: ({ paths, port }) => {
        const folder = paths.data('redis');
        mkdirSync(folder, { recursive: true });
        const settings = {
          port,
          bind: '127.0.0.1',
          dir: folder,
          appendonly: 'yes',
          save: '',
          daemonize: 'no',
        };
        const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
        return Promise.resolve({ command, args, cwd: paths.root });
      },
    };
  },

  async probe(url) {
    const client = new Redis(url, {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      connectTimeout: 3_000,
    });
    client.on('error', () => undefined);
    try {
      await within(5_000, 'redis', client.connect());
      // LOADING is an error reply, so a normal answer means that the append-only file has been read.
      await within(5_000, 'redis', client.ping());
    } finally {
      client.disconnect();
    }
  },
};
