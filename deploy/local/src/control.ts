import { mkdirSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { reasonOf, StackError } from './errors.ts';
import { processNames } from './state.ts';

/** A command from one process to the process that supervises a stack. */
const commandSchema = z.discriminatedUnion('do', [
  z.object({ do: z.literal('halt'), part: z.enum(processNames), signal: z.enum(['SIGTERM', 'SIGKILL']) }),
  z.object({ do: z.literal('resume'), part: z.enum(processNames) }),
  z.object({ do: z.literal('stop') }),
]);
export type ControlCommand = z.infer<typeof commandSchema>;

const replySchema = z.object({ error: z.string().optional() });

/**
 * Returns a path for a socket. The kernel limits the path of a unix socket to 108 bytes, so a deep workspace needs
 * another place.
 */
export function socketPath(preferred: string): string {
  if (Buffer.byteLength(preferred) < 100) return preferred;
  return join(
    tmpdir(),
    `bulk-stack-${createHash('sha256').update(preferred).digest('hex').slice(0, 16)}.sock`,
  );
}

/** Listens for commands on a unix socket, which only this user's processes can reach. */
export async function serveControl(
  path: string,
  handle: (command: ControlCommand) => Promise<void>,
): Promise<Server> {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const server = createServer((incoming, outgoing) => {
    void answer(incoming, handle).then((reply) => outgoing.end(JSON.stringify(reply)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  return server;
}

async function answer(
  incoming: IncomingMessage,
  handle: (command: ControlCommand) => Promise<void>,
): Promise<z.infer<typeof replySchema>> {
  try {
    await handle(commandSchema.parse(JSON.parse(await text(incoming))));
    return {};
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

/** Sends a command to the supervisor of a stack, and waits until it is done. */
export async function sendControl(path: string, command: ControlCommand): Promise<void> {
  const reply = await new Promise<string>((resolve, reject) => {
    const outgoing = request({ socketPath: path, method: 'POST', agent: false }, (incoming) => {
      text(incoming).then(resolve, reject);
    });
    outgoing.once('error', reject);
    outgoing.end(JSON.stringify(command));
  }).catch((error: unknown) => {
    throw new StackError(
      'NOT_UP',
      `the stack's supervisor does not answer: ${reasonOf(error)}`,
      'npm run stack -- up',
      { cause: error },
    );
  });
  const { error } = replySchema.parse(JSON.parse(reply));
  if (error !== undefined) throw new StackError('NOT_READY', error, 'npm run stack -- logs');
}

async function text(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
