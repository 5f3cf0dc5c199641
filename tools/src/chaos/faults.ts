import type { PartName } from '@bulk/local-stack';
import { between, pick, type Random } from '../seed/random.ts';
import { LINKED, type ChaosTarget } from './target.ts';

/** What goes wrong, for how long. */
export interface Fault {
  readonly name: string;
  /** From the fault until it is mended, in ms. */
  readonly lastsMs: number;
  inject(): Promise<void>;
  mend(): Promise<void>;
}

/** Parts that a crash loses nothing of. A MongoDB stand-in without a journal is asked to end instead. */
const CRASHED: readonly PartName[] = ['kafka', 'redis', 'registry'];

const KINDS = ['kill', 'kill', 'stop', 'stall', 'cut', 'black hole', 'part'] as const;

/** The next fault: which, whom and for how long depend on `random` alone. */
export function nextFault(random: Random, target: ChaosTarget): Fault {
  const kind = pick(random, KINDS);
  const instance = pick(
    random,
    target.services.members.map(({ name }) => name),
  );
  const linked = pick(random, LINKED);
  const part = pick(random, ['kafka', 'redis', 'registry', 'mongo'] as const);
  const lastsMs = between(random, 100, kind === 'stall' ? 9_000 : 3_000);
  switch (kind) {
    case 'kill':
      return killed(target, instance, lastsMs);
    case 'stop':
      return stopped(target, instance, lastsMs);
    case 'stall':
      return stalled(target, instance, lastsMs);
    case 'cut':
    case 'black hole':
      return unlinked(target, linked, kind, lastsMs);
    case 'part':
      return halted(target, part, lastsMs);
  }
}

function killed({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} is killed`,
    lastsMs,
    inject: async () => {
      await services.member(instance).kill();
    },
    mend: async () => {
      await services.relaunch(instance);
    },
  };
}

function stopped({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} is asked to end`,
    lastsMs,
    inject: async () => {
      await services.member(instance).stop();
    },
    mend: async () => {
      await services.relaunch(instance);
    },
  };
}

function stalled({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} stalls`,
    lastsMs,
    inject: () => {
      services.member(instance).suspend();
      return Promise.resolve();
    },
    mend: () => {
      services.member(instance).wake();
      return Promise.resolve();
    },
  };
}

function unlinked(
  { links }: ChaosTarget,
  part: (typeof LINKED)[number],
  kind: 'cut' | 'black hole',
  lastsMs: number,
): Fault {
  return {
    name: kind === 'cut' ? `the link to ${part} is cut` : `the connections to ${part} go dead`,
    lastsMs,
    inject: () => {
      if (kind === 'cut') links[part].break();
      else links[part].hang();
      return Promise.resolve();
    },
    mend: () => {
      links[part].mend();
      return Promise.resolve();
    },
  };
}

function halted({ stack }: ChaosTarget, part: PartName, lastsMs: number): Fault {
  const signal = CRASHED.includes(part) ? 'SIGKILL' : 'SIGTERM';
  return {
    name: `${part} is ${signal === 'SIGKILL' ? 'killed' : 'stopped'}`,
    lastsMs,
    inject: () => stack.halt(part, signal),
    mend: () => stack.resume(part),
  };
}
