import { afterAll, expect, it } from '@jest/globals';
import { MongoClient } from 'mongodb';
import { resetStack, startStack } from '../src/index.ts';

const NAME = `test-crash-${process.pid}`;
const WRITERS = 4;
afterAll(() => resetStack(NAME));

/** The acknowledged writes: document → the last number that was written to it. */
type Acknowledged = Map<string, number>;

/** Writes until the server is gone. */
async function writeUntilCrash(client: MongoClient, acknowledged: Acknowledged): Promise<void> {
  const counters = client.db('crash').collection<{ _id: string; n: number }>('counters');
  const writer = async (name: string): Promise<void> => {
    for (let n = 1; ; n += 1) {
      const _id = `${name}-${n % 20}`;
      await counters.updateOne({ _id }, { $set: { n } }, { upsert: true });
      acknowledged.set(_id, n);
    }
  };
  await Promise.allSettled(Array.from({ length: WRITERS }, (_, i) => writer(`w${i}`)));
}

// The fault tests rely on this: without it, a service that loses acknowledged writes would look like a fault of ours.
it('a durable MongoDB keeps all acknowledged writes when it is killed', async () => {
  const env = { ...process.env, MONGODB_URI: '', STACK_MONGO_DURABLE: 'true' };
  const stack = await startStack({ name: NAME, env });
  const client = new MongoClient(stack.urls.mongodbUri, {
    writeConcern: { w: 'majority' },
    retryWrites: false,
    serverSelectionTimeoutMS: 1_000,
  });
  try {
    const acknowledged: Acknowledged = new Map();
    const writing = writeUntilCrash(client, acknowledged);
    while (acknowledged.size < WRITERS * 20) await new Promise((resolve) => setTimeout(resolve, 20));
    await stack.halt('mongo', 'SIGKILL');
    await writing;
    await client.close();
    await stack.resume('mongo');
    const reader = new MongoClient(stack.urls.mongodbUri);
    try {
      const counters = reader.db('crash').collection<{ _id: string; n: number }>('counters');
      const found = new Map((await counters.find().toArray()).map(({ _id, n }) => [_id, n]));
      // One write more than acknowledged may exist: its answer was lost.
      const lost = [...acknowledged].filter(([id, n]) => (found.get(id) ?? 0) < n);
      expect(lost).toEqual([]);
    } finally {
      await reader.close();
    }
  } finally {
    await client.close();
    await stack.stop();
  }
}, 120_000);
