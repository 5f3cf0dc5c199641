import { processOf, signalProcess, type EndSignal, type ProcessName } from '@bulk/local-stack';
import { between, pick, type Random } from '../../operator/seed/random.ts';
import type { ChaosTarget } from './target.ts';

/** A fault and its duration. */
export interface Fault {
  readonly name: string;
  /** The broken part: an instance of a service, or a process of the stack. */
  readonly subject: string;
  /** Time from the fault until it is fixed, in ms. */
  readonly lastsMs: number;
  inject(): Promise<void>;
  restore(): Promise<void>;
}

/** The parts that a fault may hit. */
export interface Breakable {
  readonly services: { readonly members: readonly { readonly name: string }[] };
  readonly links: ReadonlyMap<ProcessName, unknown>;
  /** `undefined` if no leader can move, because there is one broker. */
  readonly leaders: unknown;
}

/**
 * A fault before it happens. The same random numbers and the same kinds of parts give the same
 * fault.
 */
export type PlannedFault =
  | { readonly kind: 'kill' | 'stop' | 'stall'; readonly instance: string; readonly lastsMs: number }
  | {
      readonly kind: 'link';
      readonly part: ProcessName;
      readonly mode: LinkMode;
      readonly lastsMs: number;
    }
  | {
      readonly kind: 'halt';
      readonly part: ProcessName;
      readonly signal: EndSignal;
      readonly lastsMs: number;
    }
  | { readonly kind: 'freeze'; readonly part: ProcessName; readonly lastsMs: number }
  | { readonly kind: 'leaders'; readonly lastsMs: number };

const KINDS = ['kill', 'kill', 'stop', 'stall', 'link', 'link', 'halt', 'freeze', 'outage'] as const;
/** Kinds of faults with several brokers, whose leaders can move. */
const CLUSTER_KINDS = [...KINDS, 'leaders', 'leaders'] as const;

/** The ways in which a network makes a part unreachable. */
const MODES = {
  break: 'connections are cut',
  hang: 'connections go dead',
  blackHole: 'nothing passes',
  delay: 'everything is late',
} as const;
type LinkMode = keyof typeof MODES;
const MODE_NAMES = ['break', 'hang', 'blackHole', 'delay'] as const satisfies readonly LinkMode[];
/** Delay of each piece of data, in both directions, in ms. */
const DELAY_MS = 40;
/** Longest duration of a fault or a stall, in ms: longer than sessions and leases. */
const LONGEST_MS = 3_000;
const LONGEST_STALL_MS = 9_000;
/**
 * Shortest outage of MongoDB, in ms. It exceeds a try and the time in place, so that batches go to
 * retry topics.
 */
const SHORTEST_OUTAGE_MS = 4_000;

/** Plans the next fault. Its kind, its subject and its duration depend on `random` alone. */
export function planFault(random: Random, { services, links, leaders }: Breakable): PlannedFault {
  const kind = pick(random, leaders === undefined ? KINDS : CLUSTER_KINDS);
  // Sorted, because services do not always start in the same order.
  const instance = pick(random, services.members.map(({ name }) => name).sort());
  const linked = pick(random, [...links.keys()]);
  const part = pick(random, [...links.keys(), 'registry'] as const);
  const mode = pick(random, MODE_NAMES);
  const signal = pick(random, ['SIGKILL', 'SIGTERM'] as const);
  const isLong = kind === 'stall' || kind === 'freeze' || kind === 'outage';
  const lastsMs = between(
    random,
    kind === 'outage' ? SHORTEST_OUTAGE_MS : 100,
    isLong ? LONGEST_STALL_MS : LONGEST_MS,
  );
  switch (kind) {
    case 'kill':
    case 'stop':
    case 'stall':
      return { kind, instance, lastsMs };
    case 'link':
      return { kind, part: linked, mode, lastsMs };
    case 'halt':
      return { kind, part, signal, lastsMs };
    case 'freeze':
      return { kind, part, lastsMs };
    case 'outage':
      return { kind: 'link', part: 'mongo', mode: 'break', lastsMs };
    case 'leaders':
      return { kind, lastsMs };
  }
}

/** Returns the next fault of a target, ready to happen. */
export function nextFault(random: Random, target: ChaosTarget): Fault {
  const planned = planFault(random, target);
  const { lastsMs } = planned;
  switch (planned.kind) {
    case 'kill':
      return killed(target, planned.instance, lastsMs);
    case 'stop':
      return stopped(target, planned.instance, lastsMs);
    case 'stall':
      return stalled(target, planned.instance, lastsMs);
    case 'link':
      return unlinked(target, planned.part, planned.mode, lastsMs);
    case 'halt':
      return halted(target, planned.part, planned.signal, lastsMs);
    case 'freeze':
      return frozen(target, planned.part, lastsMs);
    case 'leaders':
      return moved(target, lastsMs);
  }
}

function killed({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} is killed`,
    subject: instance,
    lastsMs,
    inject: async () => {
      await services.member(instance).kill();
    },
    restore: async () => {
      await services.relaunch(instance);
    },
  };
}

function stopped({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} is asked to end`,
    subject: instance,
    lastsMs,
    inject: async () => {
      await services.member(instance).stop();
    },
    restore: async () => {
      await services.relaunch(instance);
    },
  };
}

function stalled({ services }: ChaosTarget, instance: string, lastsMs: number): Fault {
  return {
    name: `${instance} stalls`,
    subject: instance,
    lastsMs,
    inject: () => {
      services.member(instance).suspend();
      return Promise.resolve();
    },
    restore: () => {
      services.member(instance).wake();
      return Promise.resolve();
    },
  };
}

function unlinked({ links }: ChaosTarget, part: ProcessName, mode: LinkMode, lastsMs: number): Fault {
  const link = links.get(part);
  return {
    name: `${part}: ${MODES[mode]}`,
    subject: part,
    lastsMs,
    inject: () => {
      if (mode === 'delay') link?.delay(DELAY_MS);
      else link?.[mode]();
      return Promise.resolve();
    },
    restore: () => {
      link?.delay(0);
      link?.restore();
      return Promise.resolve();
    },
  };
}

function halted({ stack }: ChaosTarget, part: ProcessName, signal: EndSignal, lastsMs: number): Fault {
  return {
    name: `${part} is ${signal === 'SIGKILL' ? 'killed' : 'restarted'}`,
    subject: part,
    lastsMs,
    inject: () => stack.halt(part, signal),
    restore: () => stack.resume(part),
  };
}

function frozen({ stack }: ChaosTarget, part: ProcessName, lastsMs: number): Fault {
  const process = processOf(stack.name, part);
  const send = (signal: NodeJS.Signals): Promise<void> => {
    if (process !== undefined) signalProcess(process, signal);
    return Promise.resolve();
  };
  return {
    name: `${part} stalls`,
    subject: part,
    lastsMs,
    inject: () => send('SIGSTOP'),
    restore: () => send('SIGCONT'),
  };
}

function moved({ leaders }: ChaosTarget, lastsMs: number): Fault {
  return {
    name: 'leaders move',
    subject: 'leaders',
    lastsMs,
    inject: async () => {
      await leaders?.beginMove();
    },
    restore: () => Promise.resolve(),
  };
}
