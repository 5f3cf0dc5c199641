import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CodedError, DependencyError } from '@bulk/domain';
import { DependencyWatch } from './dependency-watch.ts';
import { Health } from './health.ts';

const UNAVAILABLE = new CodedError('STORE_UNAVAILABLE', 'no answer', { retryable: true });
const STORE = 'store';

let stop: AbortController;
let lines: { level: string; bindings: unknown; message: string }[];
let health: Health;
let probes: number;
let answer: () => Promise<void>;
let watch: DependencyWatch;

beforeEach(() => {
  stop = new AbortController();
  lines = [];
  const line = (level: string) => (bindings: unknown, message?: string) => {
    lines.push({ level, bindings, message: message ?? '' });
  };
  health = new Health({ warn: line('warn'), info: line('info') });
  probes = 0;
  answer = () => Promise.resolve();
  watch = new DependencyWatch({ health, signal: stop.signal, intervalMs: 10, timeoutMs: 30 });
  health.set(STORE, 'ready');
});
afterEach(() => stop.abort());

function add(probed?: 'idle' | 'failed'): void {
  watch.add({
    name: STORE,
    code: UNAVAILABLE.code,
    ...(probed === undefined ? {} : { probed }),
    probe: () => {
      probes += 1;
      return answer();
    },
  });
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i += 1) await sleep(5);
  expect(what()).toBe(true);
}

describe('DependencyWatch', () => {
  it('reports an outage and its end without work, and logs each once', async () => {
    add();
    answer = () => Promise.reject(new Error('refused'));
    await until(() => !health.ready);
    expect(health.report().components[STORE]).toEqual({ state: 'waiting', reason: 'refused' });
    const seen = probes;
    await until(() => probes > seen + 3);
    answer = () => Promise.resolve();
    await until(() => health.ready);
    expect(lines).toEqual([
      {
        level: 'warn',
        bindings: { dependency: STORE, reason: 'refused' },
        message: 'Dependency unavailable',
      },
      { level: 'info', bindings: { dependency: STORE }, message: 'Dependency recovered' },
    ]);
  });

  it('sends no probes while work succeeds', async () => {
    add();
    for (let i = 0; i < 30; i += 1) {
      await watch.during([STORE], () => Promise.resolve());
      await sleep(2);
    }
    expect(probes).toBeLessThan(3);
  });

  it('trusts failed work at once, but only errors with the code of the dependency', async () => {
    add();
    await expect(watch.during([STORE], () => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug');
    const refused = new CodedError(UNAVAILABLE.code, 'never', { retryable: false });
    await expect(watch.during([STORE], () => Promise.reject(refused))).rejects.toBe(refused);
    expect(health.ready).toBe(true);
    answer = () => Promise.reject(new Error('refused'));
    await expect(watch.during([STORE], () => Promise.reject(UNAVAILABLE))).rejects.toBe(UNAVAILABLE);
    expect(health.report().components[STORE]).toEqual({ state: 'waiting', reason: 'no answer' });
    await watch.during([STORE], () => Promise.resolve());
    expect(health.ready).toBe(true);
  });

  it('reports a dependency that hangs as unavailable, probes it once, and accepts its late answer', async () => {
    add();
    let wake = (): void => undefined;
    answer = () => new Promise((resolve) => (wake = resolve));
    await until(() => !health.ready);
    expect(health.report().components[STORE]?.reason).toBe('no answer within 30 ms');
    await sleep(50);
    expect(probes).toBe(1);
    answer = () => Promise.resolve();
    wake();
    await until(() => health.ready);
  });

  it('probes a rarely used dependency only after work has failed', async () => {
    add('failed');
    answer = () => Promise.reject(new Error('refused'));
    await sleep(60);
    expect([probes, health.ready]).toEqual([0, true]);
    watch.failed(UNAVAILABLE);
    expect(health.ready).toBe(false);
    await until(() => probes > 0);
    answer = () => Promise.resolve();
    await until(() => health.ready);
  });

  it('keeps a dependency that answers probes but refuses work unready, until work succeeds', async () => {
    add();
    const refusal = new DependencyError(UNAVAILABLE.code, 'not authorized', 'authorisation', undefined);
    await expect(watch.during([STORE], () => Promise.reject(refusal))).rejects.toBe(refusal);
    await until(() => probes > 3);
    expect(health.report().components[STORE]).toEqual({ state: 'waiting', reason: 'not authorized' });
    await watch.during([STORE], () => Promise.resolve());
    expect(health.ready).toBe(true);
  });

  it('trusts a probe again once a refusal has expired', async () => {
    watch = new DependencyWatch({
      health,
      signal: stop.signal,
      intervalMs: 5,
      timeoutMs: 30,
      refusalMs: 60,
    });
    add();
    const refusedAt = performance.now();
    watch.failed(new DependencyError(UNAVAILABLE.code, 'the disk is full', 'disk-full', undefined));
    expect(health.ready).toBe(false);
    await until(() => health.ready);
    expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(60);
    expect(probes).toBeGreaterThan(0);
  });

  it('is silent when the service stops', async () => {
    add();
    answer = () => Promise.reject(new Error('closed'));
    health.stop();
    stop.abort();
    await sleep(40);
    expect([probes, lines]).toEqual([0, []]);
  });

  it('ignores work during which the dependency failed or recovered', async () => {
    add('failed');
    let answered = (): void => undefined;
    let refused = (): void => undefined;
    const answering = watch.during([STORE], () => new Promise<void>((resolve) => (answered = resolve)));
    const refusing = watch.during(
      [STORE],
      () => new Promise<void>((_resolve, reject) => (refused = () => reject(UNAVAILABLE))),
    );
    answer = () => Promise.reject(new Error('refused'));
    watch.failed(UNAVAILABLE);
    answered();
    await answering;
    expect(health.ready).toBe(false);
    answer = () => Promise.resolve();
    await until(() => health.ready);
    refused();
    await expect(refusing).rejects.toBe(UNAVAILABLE);
    expect(health.ready).toBe(true);
    expect(lines.map(({ message }) => message)).toEqual(['Dependency unavailable', 'Dependency recovered']);
  });
});
