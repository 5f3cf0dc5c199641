import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { reasonOf, StackError, type StackErrorCode } from '../errors.ts';
import { packageRoot, stackPaths, workspaceRoot } from '../paths.ts';
import { startStack } from '../stack.ts';
import { envLines, type StackUrls } from '../state.ts';

/** A message from the detached supervisor to the `up` that created it, until the stack is ready. */
const messageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('line'), line: z.string() }),
  z.object({
    kind: z.literal('ready'),
    urls: z.object({
      kafkaBrokers: z.string(),
      schemaRegistryUrl: z.string(),
      mongodbUri: z.string(),
      redisUrl: z.string(),
      replication: z.object({ factor: z.number(), minInSync: z.number() }).optional(),
    }),
  }),
  z.object({ kind: z.literal('failed'), code: z.string(), message: z.string(), remedy: z.string() }),
]);
type Message = z.infer<typeof messageSchema>;

/**
 * Starts a supervisor that outlives this command, and returns when the stack is ready. If this command ends earlier,
 * the supervisor notices that its channel has closed, and stops what it has started.
 */
export async function up(name: string, print: (line: string) => void, brokers?: number): Promise<void> {
  const logFile = stackPaths(name).log('supervisor');
  mkdirSync(dirname(logFile), { recursive: true });
  const output = openSync(logFile, 'a');
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const cli = join(packageRoot, 'src', 'cli.ts');
  const args = ['--import', tsx, cli, 'up', '--foreground', '--name', name];
  if (brokers !== undefined) args.push('--brokers', String(brokers));
  const child = spawn(process.execPath, args, {
    cwd: workspaceRoot,
    stdio: ['ignore', output, output, 'ipc'],
    detached: true,
  });
  closeSync(output);
  // Ctrl-C reaches only this command, because the supervisor leads its own session. This command waits for the
  // supervisor.
  const interrupt = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const urls = await new Promise<StackUrls>((resolve, reject) => {
    child.on('message', (raw) => {
      const message = messageSchema.parse(raw);
      if (message.kind === 'line') print(message.line);
      else if (message.kind === 'ready') resolve(message.urls);
      else reject(new StackError(message.code as StackErrorCode, message.message, message.remedy));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(
        new StackError(
          'NOT_READY',
          `the supervisor ended (${signal ?? code ?? 'unknown'}); its log: ${logFile}`,
          'npm run stack -- logs supervisor',
        ),
      ),
    );
  }).finally(() => process.off('SIGINT', interrupt).off('SIGTERM', interrupt));
  if (child.connected) child.disconnect();
  child.unref();
  print(`stack ${name}: up`);
  for (const line of envLines(urls)) print(line);
}

/** Supervises in this process until it is asked to stop, or a part dies. */
export async function superviseHere(
  name: string,
  print: (line: string) => void,
  brokers?: number,
): Promise<void> {
  const report = (message: Message): void => {
    if (process.connected) process.send?.(message);
  };
  const ended = new AbortController();
  const end = (why: string) => (): void =>
    ended.abort(new StackError('ABORTED', `stack ${name}: ended by ${why}`, 'npm run stack -- up'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end(signal));
  const lostStarter = end('the end of the command that started it');
  process.once('disconnect', lostStarter);
  const log = (line: string): void => {
    print(line);
    report({ kind: 'line', line });
  };
  // The parts do not keep this process alive by themselves (see child.ts).
  const keepAlive = setInterval(() => undefined, 60_000);
  try {
    const stack = await startStack({ name, log, brokers, signal: ended.signal }, true);
    process.off('disconnect', lostStarter);
    if (!process.connected) {
      print(`stack ${name}: up${stack.attached ? ' already, supervised by another process' : ''}`);
      for (const line of envLines(stack.urls)) print(line);
    }
    report({ kind: 'ready', urls: stack.urls });
    if (stack.attached) return;
    const failure = await stack.closed;
    if (failure !== undefined) throw failure;
    print(`stack ${name}: down`);
  } catch (error) {
    const known =
      error instanceof StackError
        ? error
        : new StackError('NOT_READY', reasonOf(error), 'npm run stack -- logs', { cause: error });
    report({ kind: 'failed', code: known.code, message: known.message, remedy: known.remedy });
    throw known;
  } finally {
    clearInterval(keepAlive);
    if (process.connected) process.disconnect();
  }
}
