import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { checkBrokers } from './brokers.ts';
import { type ControlCommand, sendControl } from './control.ts';
import { loadEnv, readStackEnvironment } from './env.ts';
import { reasonOf, StackError } from './errors.ts';
import { acquireLock } from './lock.ts';
import { OwnedStack } from './owned.ts';
import { cacheFolder, stackPaths, type StackPaths } from './paths.ts';
import { parts } from './parts/index.ts';
import { within } from './poll.ts';
import { isAlive, terminate, waitForEnd, type ProcessIdentity } from './processes.ts';
import type { RunningStack, StartOptions } from './running.ts';
import {
  type PartName,
  partOf,
  type PartState,
  type ProcessName,
  processNames,
  readState,
  removeState,
  type StackState,
  urlsOf,
} from './state.ts';

/**
 * Returns a running stack: it attaches to the one of that name, or else starts it with this process as its supervisor.
 * No part outlives the process that supervises it, however that process ends.
 */
export async function startStack(options: StartOptions = {}, dedicated = false): Promise<RunningStack> {
  const env = options.env ?? loadEnv();
  const log = options.log ?? ((): void => undefined);
  const { name, external } = readStackEnvironment(env, options.name);
  const paths = stackPaths(name);
  const release = await acquireLock(paths.lock, {
    timeoutMs: 1_200_000,
    signal: options.signal,
    onWait: (pid) => log(`stack ${name}: process ${pid} is starting or stopping it; waiting…`),
  });
  try {
    const state = await settledState(paths, options.signal);
    if (state !== undefined && isAlive(state.supervisor))
      return await attach(paths, state, external, options.brokers);
    await endLeftovers(paths, log);
    const cache = cacheFolder(env);
    return await OwnedStack.start({
      name,
      paths,
      cache,
      env,
      external,
      log,
      dedicated,
      brokers: options.brokers,
      signal: options.signal,
    });
  } finally {
    release();
  }
}

/**
 * Returns whether the stack is still up. Its supervisor may stop it and live on, or another start may have followed.
 */
function isStillUp(paths: StackPaths, state: StackState): boolean {
  const current = readState(paths);
  return current?.startedAt === state.startedAt && isAlive(state.supervisor);
}

/** Waits for the end of a start or stop and returns the state: starting holds the lock, stopping does not. */
async function settledState(paths: StackPaths, signal?: AbortSignal): Promise<StackState | undefined> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const state = readState(paths);
    const passing = state !== undefined && state.phase !== 'ready' && isAlive(state.supervisor);
    if (!passing || Date.now() > deadline) return state;
    await delay(100, undefined, { signal });
  }
}

async function attach(
  paths: StackPaths,
  state: StackState,
  external: Partial<Record<PartName, string>>,
  brokers?: number,
): Promise<RunningStack> {
  const running = Object.keys(state.parts).filter((name) => partOf(name as ProcessName) === 'kafka').length;
  if (external.kafka === undefined) checkBrokers(state.name, running, brokers);
  const health = await probeParts(state.parts);
  const ill = health.find((part) => part.problem !== undefined && external[partOf(part.name)] === undefined);
  if (ill !== undefined) {
    throw new StackError(
      'UNHEALTHY',
      `stack ${state.name} is up, but ${ill.name} does not answer: ${ill.problem ?? ''}`,
      `npm run stack -- down --name ${state.name}   # then up`,
    );
  }
  const send = (command: ControlCommand): Promise<void> => sendControl(state.control, command);
  const halt: RunningStack['halt'] = (part, signal = 'SIGTERM') => send({ do: 'halt', part, signal });
  const resume: RunningStack['resume'] = (part) => send({ do: 'resume', part });
  return {
    name: state.name,
    urls: urlsOf(state.parts, external),
    attached: true,
    closed: new Promise((resolve) => {
      const timer = setInterval(() => {
        if (isStillUp(paths, state)) return;
        clearInterval(timer);
        resolve(undefined);
      }, 500);
      timer.unref();
    }),
    stop: () => Promise.resolve(),
    halt,
    resume,
    restart: async (part, signal) => {
      await halt(part, signal);
      await resume(part);
    },
  };
}

/** Stops the stack of that name, whichever process supervises it. Returns whether there was anything to stop. */
export async function stopStack(
  name: string,
  log: (line: string) => void = () => undefined,
): Promise<boolean> {
  const paths = stackPaths(name);
  const state = readState(paths);
  const running = state !== undefined && isAlive(state.supervisor);
  // The command goes through its socket and not under the lock, which a starting supervisor holds.
  if (running) await endSupervisor(state, log);
  const release = await acquireLock(paths.lock, { timeoutMs: 60_000 });
  try {
    const cleaned = await endLeftovers(paths, log);
    return running || cleaned;
  } finally {
    release();
  }
}

/**
 * Makes a supervisor stop its parts. A supervisor that `up` created then ends too, and is killed if it does not answer.
 * Any other process belongs to its user, and only its parts are ours to stop (see `endLeftovers`).
 */
async function endSupervisor(state: StackState, log: (line: string) => void): Promise<void> {
  try {
    await within(45_000, 'stop', sendControl(state.control, { do: 'stop' }));
    if (state.dedicated) await waitForEnd(state.supervisor, 5_000);
  } catch (error) {
    if (isAlive(state.supervisor))
      log(`stack ${state.name}: its supervisor does not stop by itself: ${reasonOf(error)}`);
  }
  if (state.dedicated) await terminate(state.supervisor, 20_000);
}

/** Stops the stack and deletes its data. */
export async function resetStack(name: string, log?: (line: string) => void): Promise<void> {
  await stopStack(name, log);
  rmSync(stackPaths(name).root, { recursive: true, force: true });
}

export interface PartHealth {
  readonly name: ProcessName;
  readonly state: PartState;
  /** Why the part does not serve; absent if it does. */
  readonly problem?: string;
}

/** Returns the state of a stack with each part's health, checked by its protocol; undefined if it is down. */
export async function inspectStack(
  name: string,
): Promise<{ state: StackState; health: PartHealth[] } | undefined> {
  const state = readState(stackPaths(name));
  if (state === undefined || !isAlive(state.supervisor)) return undefined;
  return { state, health: await probeParts(state.parts) };
}

/**
 * Returns the process of a part, or of one of several brokers; undefined while it is halted, or if the stack does not
 * run it.
 */
export function processOf(stack: string, name: ProcessName): ProcessIdentity | undefined {
  const state = readState(stackPaths(stack))?.parts[name];
  return state?.kind === 'managed' ? state.process : undefined;
}

function probeParts(states: StackState['parts']): Promise<PartHealth[]> {
  return Promise.all(
    processNames.map(async (name): Promise<PartHealth[]> => {
      const state = states[name];
      if (state === undefined) return [];
      if (state.kind === 'managed' && state.process === undefined)
        return [{ name, state, problem: 'halted' }];
      try {
        await parts[partOf(name)].probe(state.url);
        return [{ name, state }];
      } catch (error) {
        return [{ name, state, problem: reasonOf(error) }];
      }
    }),
  ).then((all) => all.flat());
}

/**
 * Stops the parts that a killed supervisor has left. If the kernel tied the children to it, they are ending already,
 * and this only waits for them.
 */
async function endLeftovers(paths: StackPaths, log: (line: string) => void): Promise<boolean> {
  const state = readState(paths);
  if (state === undefined) return false;
  const left = processNames.flatMap((name) => {
    const part = state.parts[name];
    return part?.kind === 'managed' && part.process !== undefined && isAlive(part.process)
      ? [{ name, process: part.process }]
      : [];
  });
  for (const { name, process } of left)
    log(`${name}: ending process ${process.pid}, which its supervisor has left behind`);
  await Promise.all(left.map(({ name, process }) => terminate(process, parts[partOf(name)].stopMs)));
  removeState(paths);
  rmSync(state.control, { force: true });
  return true;
}
