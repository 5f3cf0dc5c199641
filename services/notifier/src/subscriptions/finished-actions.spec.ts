import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import type { ProgressState } from '@bulk/contracts';
import { FinishedActions } from './finished-actions.ts';

const state = (actionId: string, version: number): ProgressState =>
  ({ actionId, version }) as Partial<ProgressState> as ProgressState;

/** Bytes of what is still reachable: without a collection, what the test itself left behind would count as well. */
function reachableBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('FinishedActions', () => {
  it('records separately for each connection what it was sent', () => {
    const finished = new FinishedActions(10);
    const [a, b, other] = [finished.view('acme'), finished.view('acme'), finished.view('other')];
    a.add(state('x', 7));
    expect([a, b, other].map((view) => view.versionOf('x'))).toEqual([7, -1, -1]);
    b.add(state('x', 7));
    expect([a, b].map((view) => view.versionOf('x'))).toEqual([7, 7]);
  });

  it('forgets an older version once a newer version was sent', () => {
    const finished = new FinishedActions(10);
    const [a, b] = [finished.view('acme'), finished.view('acme')];
    a.add(state('x', 7));
    b.add(state('x', 8));
    a.add(state('x', 6));
    expect([a, b].map((view) => view.versionOf('x'))).toEqual([-1, 8]);
  });

  it('forgets the oldest action for every connection when it is full', () => {
    const finished = new FinishedActions(3);
    const [a, b] = [finished.view('acme'), finished.view('acme')];
    for (const id of ['x', 'y', 'z']) for (const view of [a, b]) view.add(state(id, 1));
    a.add(state('new', 1));
    expect(['x', 'y', 'z', 'new'].map((id) => a.versionOf(id))).toEqual([-1, 1, 1, 1]);
    expect(['x', 'y', 'z', 'new'].map((id) => b.versionOf(id))).toEqual([-1, 1, 1, -1]);
  });

  it('forgets an account without subscriptions', () => {
    const finished = new FinishedActions(3);
    const views = [finished.view('acme'), finished.view('acme')];
    views[0]!.add(state('x', 1));
    for (const view of views) view.close();
    expect(finished.size).toBe(0);
    expect(finished.view('acme').versionOf('x')).toBe(-1);
  });

  it('holds 500 dashboards of one account in less memory than 5 separate ones', () => {
    const finished = new FinishedActions(10_000);
    const views = Array.from({ length: 500 }, () => finished.view('acme'));
    const before = reachableBytes();
    for (let i = 0; i < 10_000; i += 1) {
      const ended = state(`01980000-0000-7000-8000-${String(i).padStart(12, '0')}`, 20);
      for (const view of views) view.add(ended);
    }
    const grown = reachableBytes() - before;
    expect(views[499]!.versionOf('01980000-0000-7000-8000-000000009999')).toBe(20);
    // 0.44 MB per connection before the memory was shared.
    expect(grown).toBeLessThan(20_000_000);
  });
});
