import { describe, expect, it } from '@jest/globals';
import type { ProcessName } from '@bulk/local-stack';
import { randomFor } from '../../operator/seed/random.ts';
import { planFault, type Breakable, type PlannedFault } from './faults.ts';

const INSTANCES = ['intake', 'intake-2', 'handler', 'handler-2', 'notifier'];

function target(brokers: readonly ProcessName[]): Breakable {
  return {
    services: { members: INSTANCES.map((name) => ({ name })) },
    links: new Map([...brokers, 'mongo' as const, 'redis' as const].map((part) => [part, {}])),
    leaders: brokers.length > 1 ? {} : undefined,
  };
}

function planned(text: string, breakable: Breakable, count = 1_000): PlannedFault[] {
  const random = randomFor(text);
  return Array.from({ length: count }, () => planFault(random, breakable));
}

/** Returns the kinds of faults with the parts that they hit. */
function subjects(faults: readonly PlannedFault[]): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  for (const fault of faults) {
    const subject = 'instance' in fault ? fault.instance : 'part' in fault ? fault.part : 'leaders';
    all.set(fault.kind, (all.get(fault.kind) ?? new Set()).add(subject));
  }
  return all;
}

describe('planFault', () => {
  const brokers = ['kafka', 'kafka-2', 'kafka-3'] as const;

  it('plans the same faults for the same text and others for another text', () => {
    expect(planned('a', target(brokers))).toEqual(planned('a', target(brokers)));
    expect(planned('a', target(brokers))).not.toEqual(planned('b', target(brokers)));
  });

  it('hits every broker, dependency and instance, and moves leaders, when there are three brokers', () => {
    const linked = new Set([...brokers, 'mongo', 'redis']);
    const parts = new Set([...linked, 'registry']);
    const instances = new Set(INSTANCES);
    expect(subjects(planned('three', target(brokers)))).toEqual(
      new Map([
        ['kill', instances],
        ['stop', instances],
        ['stall', instances],
        ['link', linked],
        ['halt', parts],
        ['freeze', parts],
        ['leaders', new Set(['leaders'])],
      ]),
    );
  });

  it('sometimes stops MongoDB for longer than a try and all retries in place', () => {
    const outages = planned('outages', target(brokers), 300).filter(
      (fault) => fault.kind === 'link' && fault.part === 'mongo' && fault.lastsMs >= 4_000,
    );
    expect(outages.length).toBeGreaterThan(10);
  });

  it('moves no leaders when there is one broker', () => {
    const kinds = new Set(planned('one', target(['kafka'])).map(({ kind }) => kind));
    expect(kinds).toEqual(new Set(['kill', 'stop', 'stall', 'link', 'halt', 'freeze']));
  });
});
