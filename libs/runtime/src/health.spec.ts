import { describe, expect, it } from '@jest/globals';
import { Health } from './health.ts';

const states = ({ ready, healthy }: Health): object => ({ ready, healthy });

describe('a service', () => {
  it('is ready while every component is', () => {
    const health = new Health();
    expect(states(health)).toEqual({ ready: false, healthy: false });
    health.set('kafka', 'ready');
    health.set('mongodb', 'ready');
    expect(states(health)).toEqual({ ready: true, healthy: true });
    health.set('kafka', 'waiting', 'connection refused');
    expect(states(health)).toEqual({ ready: false, healthy: false });
    expect(health.report()).toEqual({
      ready: false,
      healthy: false,
      stopping: false,
      components: { kafka: { state: 'waiting', reason: 'connection refused' }, mongodb: { state: 'ready' } },
    });
  });
});

describe('a service that keeps its readiness', () => {
  const starting = (): Health => {
    const health = new Health();
    health.set('http', 'waiting');
    health.keepReadiness();
    return health;
  };

  it('is not ready before every component was ready at the same time', () => {
    const health = starting();
    health.set('mongodb', 'ready');
    health.set('mongodb', 'waiting');
    health.set('http', 'ready');
    expect(health.ready).toBe(false);
    health.set('mongodb', 'ready');
    expect(health.ready).toBe(true);
  });

  it('stays ready while a component is not, until it stops', () => {
    const health = starting();
    health.set('mongodb', 'ready');
    health.set('http', 'ready');
    health.set('mongodb', 'waiting', 'connection refused');
    expect(states(health)).toEqual({ ready: true, healthy: false });
    health.set('mongodb', 'ready');
    expect(states(health)).toEqual({ ready: true, healthy: true });
    health.stop();
    expect(states(health)).toEqual({ ready: false, healthy: false });
  });
});
