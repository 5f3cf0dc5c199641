import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { startStack, type StackUrls } from '../src/index.ts';
import { packageRoot, stackPaths, workspaceRoot } from '../src/paths.ts';
import { pollUntil } from '../src/poll.ts';
import { signalProcess } from '../src/processes.ts';
import { OWN_PARTS } from '../src/env.ts';
import { resetStack } from '../src/stack.ts';
import { type PartName, readState } from '../src/state.ts';
import { processesOf } from './stack-processes.ts';

jest.setTimeout(180_000);

const ownParts = { ...process.env, ...OWN_PARTS };

const names = {
  cli: `test-cli-${process.pid}`,
  api: `test-api-${process.pid}`,
  part: `test-part-${process.pid}`,
};

const untilNoneLeft = (name: string): Promise<void> =>
  pollUntil(
    () => {
      const left = processesOf(name);
      return left.length === 0 ? Promise.resolve() : Promise.reject(new Error(`left: ${left.join(', ')}`));
    },
    { timeoutMs: 30_000 },
  );

function stack(...args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const cli = join(packageRoot, 'src', 'cli.ts');
    const env = { ...ownParts, NODE_OPTIONS: '' };
    const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], { cwd: workspaceRoot, env });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

const register = async (urls: { registry: string }): Promise<unknown> => {
  const response = await fetch(`${urls.registry}/subjects/stack-test-value/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify({ type: 'record', name: 'StackTest', fields: [] }) }),
  });
  return response.json();
};

afterAll(async () => {
  for (const name of Object.values(names)) await resetStack(name);
});

describe('npm run stack', () => {
  const { cli: name } = names;
  const option = ['--name', name];
  const registryUrl = (output: string): string => /^SCHEMA_REGISTRY_URL=(.+)$/m.exec(output)?.[1] ?? '';
  let firstUrls = '';
  let schema: unknown;

  it('starts four healthy parts and prints their addresses', async () => {
    const { code, output } = await stack('up', ...option);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining(`stack ${name}: up`) });
    firstUrls = output.slice(output.indexOf('KAFKA_BROKERS='));
    expect(firstUrls).toMatch(
      /^KAFKA_BROKERS=.+\nSCHEMA_REGISTRY_URL=.+\nMONGODB_URI=.+\nREDIS_URL=.+\nREDIS_HOST=.+\nREDIS_PORT=\d+\n$/,
    );
    expect(processesOf(name)).toHaveLength(4);
    schema = await register({ registry: registryUrl(output) });
    expect(schema).toEqual({ id: expect.any(Number) });

    const status = await stack('status', ...option);
    expect(status).toEqual({
      code: 0,
      output: expect.stringMatching(/kafka .* ok [^]*registry .* ok [^]*mongo .* ok [^]*redis .* ok /),
    });
  });

  it('attaches to a running stack instead of starting a second', async () => {
    const before = processesOf(name);
    const { code, output } = await stack('up', ...option);
    expect(code).toBe(0);
    expect(output).toContain(firstUrls);
    expect(processesOf(name)).toEqual(before);
  });

  it('leaves no process behind when its supervisor is killed', async () => {
    const supervisor = readState(stackPaths(name))?.supervisor;
    expect(signalProcess(supervisor!, 'SIGKILL')).toBe(true);
    await untilNoneLeft(name);
    expect(await stack('status', ...option)).toEqual({ code: 1, output: `stack ${name}: down\n` });
  });

  it('restarts after that at the same addresses, with its schemas', async () => {
    const { code, output } = await stack('up', ...option);
    expect(code).toBe(0);
    expect(output).toContain(firstUrls);
    expect(await (await fetch(`${registryUrl(output)}/subjects`)).json()).toEqual(['stack-test-value']);
    expect(await register({ registry: registryUrl(output) })).toEqual(schema);
  });

  it('stops and keeps only its data, and accepts a second stop', async () => {
    expect(await stack('down', ...option)).toEqual({ code: 0, output: `stack ${name}: down\n` });
    expect(processesOf(name)).toEqual([]);
    expect(existsSync(stackPaths(name).state)).toBe(false);
    expect(existsSync(stackPaths(name).data('kafka'))).toBe(true);
    expect(await stack('down', ...option)).toEqual({ code: 0, output: `stack ${name}: was not up\n` });
  });
});

describe('startStack', () => {
  let whole: StackUrls;
  const pidOf = (name: string, part: PartName): number | undefined => {
    const state = readState(stackPaths(name))?.parts[part];
    return state?.kind === 'managed' ? state.process?.pid : undefined;
  };

  it('supervises in this process and can be attached to from another', async () => {
    const own = await startStack({ name: names.api, env: ownParts });
    whole = own.urls;
    expect(own.attached).toBe(false);
    const other = await startStack({ name: names.api, env: ownParts });
    expect(other).toMatchObject({ attached: true, urls: own.urls });
    await other.stop();
    expect(processesOf(names.api)).toHaveLength(4);
  });

  it('restarts one part in place with its data, also from an attached process', async () => {
    const attached = await startStack({ name: names.api, env: ownParts });
    const before = pidOf(names.api, 'redis');
    const client = new Redis(whole.redisUrl);
    client.on('error', () => undefined);
    await client.set('kept', 'yes');
    await attached.restart('redis');
    expect(pidOf(names.api, 'redis')).not.toBe(before);
    expect(await client.get('kept')).toBe('yes');
    client.disconnect();
    expect(processesOf(names.api)).toHaveLength(4);
  });

  it('starts only parts that are not given by URL, and stops only those', async () => {
    const env = {
      ...ownParts,
      KAFKA_BROKERS: whole.kafkaBrokers,
      SCHEMA_REGISTRY_URL: whole.schemaRegistryUrl,
      MONGODB_URI: whole.mongodbUri,
    };
    const partial = await startStack({ name: names.part, env });
    expect(partial.urls).toEqual({ ...whole, redisUrl: partial.urls.redisUrl });
    expect(partial.urls.redisUrl).not.toBe(whole.redisUrl);
    expect(processesOf(names.part)).toEqual([pidOf(names.part, 'redis')]);
    await expect(partial.restart('kafka')).rejects.toMatchObject({ code: 'NOT_MANAGED' });
    await partial.stop();
    expect(processesOf(names.part)).toEqual([]);
    expect(processesOf(names.api)).toHaveLength(4);
  });

  it('ends as a whole when a part dies, and names its log', async () => {
    const env = {
      ...ownParts,
      KAFKA_BROKERS: whole.kafkaBrokers,
      SCHEMA_REGISTRY_URL: whole.schemaRegistryUrl,
    };
    const partial = await startStack({ name: names.part, env });
    process.kill(pidOf(names.part, 'redis')!, 'SIGKILL');
    const { log } = stackPaths(names.part);
    expect(await partial.closed).toMatchObject({
      code: 'PART_DIED',
      message: expect.stringContaining(log('redis')),
    });
    expect(processesOf(names.part)).toEqual([]);
  });

  it('leaves nothing behind of a start that failed', async () => {
    const env = { ...ownParts, KAFKA_BROKERS: '127.0.0.1:1', SCHEMA_REGISTRY_URL: whole.schemaRegistryUrl };
    await expect(startStack({ name: names.part, env })).rejects.toMatchObject({
      code: 'EXTERNAL_UNREACHABLE',
      remedy: expect.stringContaining('unset KAFKA_BROKERS'),
    });
    expect(processesOf(names.part)).toEqual([]);
    expect(readState(stackPaths(names.part))).toBeUndefined();
  });

  it('leaves nothing behind of a start that was aborted', async () => {
    const breakOff = new AbortController();
    const starting = startStack({ name: names.part, env: ownParts, signal: breakOff.signal });
    starting.catch(() => undefined);
    await pollUntil(
      () => (processesOf(names.part).length > 1 ? Promise.resolve() : Promise.reject(new Error('none yet'))),
      { timeoutMs: 30_000 },
    );
    breakOff.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    expect(processesOf(names.part)).toEqual([]);
  });

  it('is stopped by `down` from another process, and this process continues', async () => {
    expect(await stack('down', '--name', names.api)).toMatchObject({ code: 0 });
    expect(processesOf(names.api)).toEqual([]);
  });
});
