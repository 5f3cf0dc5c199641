import { describe, expect, it } from '@jest/globals';
import type { CountedAction } from './action-counts.ts';
import { KnownActions } from './known-actions.ts';

const state = (_id: string, version = 1) => ({ action: { _id, version } as CountedAction, countedAt: 0 });

describe('KnownActions', () => {
  it('never keeps more actions than its maximum, and forgets the least recently used one', () => {
    const known = new KnownActions(3);
    for (const id of ['a', 'b', 'c']) known.keep(state(id));
    known.get('a');
    known.keep(state('d'));
    expect(known.size).toBe(3);
    expect(known.get('b')).toBeUndefined();
    expect(known.get('a')).toBeDefined();
    for (let i = 0; i < 1_000; i += 1) known.keep(state(`more-${i}`));
    expect(known.size).toBe(3);
  });

  it('replaces the state of an action, and forgets it on demand', () => {
    const known = new KnownActions(3);
    known.keep(state('a', 1));
    known.keep(state('a', 2));
    expect(known.get('a')?.action.version).toBe(2);
    expect(known.size).toBe(1);
    known.forget('a');
    expect(known.get('a')).toBeUndefined();
  });
});
