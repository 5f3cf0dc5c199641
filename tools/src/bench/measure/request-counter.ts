import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';

// Loaded before a service (`node --import`): counts the requests that kafkajs sends, by type, and
// answers each connection to a socket with the counts. The service itself is unchanged.

/** The folder of the sockets. The socket of a process has its process id as its name. */
const FOLDER = 'BENCH_COUNTER_FOLDER';

interface Request {
  readonly apiName: string;
}

interface KafkaConnection {
  send(options: { readonly request: Request }): Promise<unknown>;
}

const connectionSchema = z.custom<{ prototype: KafkaConnection }>((value) => typeof value === 'function');
const counts = new Map<string, number>();

// kafkajs exports no such class. The path is that of the version that package.json fixes.
const load = createRequire(join(process.cwd(), 'package.json'));
const { prototype } = connectionSchema.parse(load('kafkajs/src/network/connection'));
const send = Reflect.get(prototype, 'send');
prototype.send = function counted(this: KafkaConnection, options) {
  const { apiName } = options.request;
  counts.set(apiName, (counts.get(apiName) ?? 0) + 1);
  return send.call(this, options);
};

const folder = process.env[FOLDER];
if (folder === undefined) throw new Error(`${FOLDER} is not set`);
createServer((socket) => socket.end(JSON.stringify([...counts])))
  .listen(join(folder, `${process.pid}.sock`))
  .unref();
