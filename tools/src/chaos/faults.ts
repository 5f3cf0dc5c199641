import type { PartName } from '@bulk/local-stack';
import { between, pick, type Random } from '../seed/random.ts';
import { LINKED, type ChaosTarget, type LinkedPart } from './target.ts';

/** What goes wrong, for how long. */
export interface Fault {
  readonly name: string;
  /** From the fault until it is mended, in ms. */
  readonly lastsMs: number;
  inject(): Promise<void>;
  mend(): Promise<void>;
}

const KINDS = ['kill', 'kill', 'stop', 'stall', 'link', 'link', 'part'] as const;

/** In which ways a network takes a part away. */
const MODES = {
  break: 'connections are cut',
  hang: 'connections go dead',
  blackHole: 'nothing passes',
  delay: 'everything is late',
} as const;
type LinkMode = keyof typeof MODES;
const MODE_NAMES = ['break', 'hang', 'blackHole', 'delay'] as const satisfies readonly LinkMode[];
/** Of each piece of data, both ways. */
const DELAY_MS = 40;

/** The next fault: which, whom and for how long depend on `random` alone. */
export function nextFault(random: Random, target: ChaosTarget): Fault {
  const kind = pick(random, KINDS);
  const instance = pick(
    random,
    target.services.members.map(({ name }) => name),
  );
  const linked = pick(random, LINKED);
  const mode = pick(random, MODE_NAMES);
  const part = pick(random, ['kafka', 'redis', 'registry', 'mongo'] as const);
  const lastsMs = between(random, 100, kind === 'stall' ? 9_000 : 3_000);
  switch (kind) {
    case 'kill':
      return killed(target, instance, lastsMs);
    case 'stop':
      return stopped(target, instance, lastsMs);
    case 'stall':
      return stalled(target, instance, lastsMs);
    case 'link':
      return unlinked(target, linked, mode, lastsMs);
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

function unlinked({ links }: ChaosTarget, part: LinkedPart, mode: LinkMode, lastsMs: number): Fault {
  const link = links[part];
  return {
    name: `${part}: ${MODES[mode]}`,
    lastsMs,
    inject: () => {
      if (mode === 'delay') link.delay(DELAY_MS);
      else link[mode]();
      return Promise.resolve();
    },
    mend: () => {
      link.delay(0);
      link.mend();
      return Promise.resolve();
    },
  };
}

function halted({ stack }: ChaosTarget, part: PartName, lastsMs: number): Fault {
  return {
    name: `${part} is killed`,
    lastsMs,
    inject: () => stack.halt(part, 'SIGKILL'),
    mend: () => stack.resume(part),
  };
}
