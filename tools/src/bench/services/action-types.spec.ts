import { describe, expect, it } from '@jest/globals';
import { createRegistry } from '@bulk/action-types';
import { createRegistry as createBenchRegistry } from './action-types.ts';

describe('action types of the benchmark', () => {
  const names = (registry: ReturnType<typeof createRegistry>): string[] =>
    registry.handlers.map(({ actionType }) => actionType);

  it('adds noop to the action types of the platform, which does not have it', () => {
    expect(names(createRegistry())).not.toContain('noop');
    expect(names(createBenchRegistry())).toEqual([...names(createRegistry()), 'noop']);
  });

  it('reports a success for every entity of a no-op, and accepts no unknown setting', async () => {
    const noop = createBenchRegistry().handler('noop');
    const payload = (config: Record<string, unknown>) => ({
      entityType: createRegistry().entityType('contact'),
      config,
    });
    await expect(noop.validatePayload(payload({ waitMs: 20 }))).resolves.toEqual({ waitMs: 20 });
    await expect(noop.validatePayload(payload({ wait: 20 }))).rejects.toThrow('wait');
  });
});
