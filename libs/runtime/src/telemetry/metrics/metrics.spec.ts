import { describe, expect, it } from '@jest/globals';
import { bounded, installationOf, Metrics, serviceMetrics } from './index.ts';

const identity = { BUILD_VERSION: '1.2.3', BUILD_REVISION: 'abc', TOPIC_PREFIX: 'bulk-dev.' };
const given = () =>
  new Metrics({ service: 'tested', installation: 'bulk-dev', build: { version: '1', revision: 'r' } });

describe('the registry of a service', () => {
  it('exposes build, process, event loop and readiness under the name of the service', async () => {
    const metrics = serviceMetrics('tested', identity, {
      ready: false,
      report: () => ({ components: { kafka: { state: 'ready' }, mongodb: { state: 'waiting' } } }),
    });
    const text = await metrics.expose();
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain(
      `bulk_build_info{version="1.2.3",revision="abc",node="${process.version}",service="tested",installation="bulk-dev"} 1`,
    );
    expect(text).toContain('bulk_ready{service="tested",installation="bulk-dev"} 0');
    expect(text).toContain(
      'bulk_dependency_ready{dependency="kafka",service="tested",installation="bulk-dev"} 1',
    );
    expect(text).toContain(
      'bulk_dependency_ready{dependency="mongodb",service="tested",installation="bulk-dev"} 0',
    );
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds\{service="tested",installation="bulk-dev"\} /m);
    expect(text).toMatch(/^process_resident_memory_bytes\{service="tested",installation="bulk-dev"\} /m);
  });

  it('is separate for each service in a process', async () => {
    const [one, other] = [given(), given()];
    one.counter({ name: 'bulk_things_total', help: 'Things.' }).inc(3);
    expect(await one.expose()).toContain('bulk_things_total{service="tested",installation="bulk-dev"} 3');
    expect(await other.expose()).not.toContain('bulk_things_total');
  });

  it('drops the value of a sampled gauge whose subject is gone', async () => {
    const metrics = given();
    let partitions = ['0', '1'];
    metrics.sampled({ name: 'bulk_lag', help: 'Lag.', labels: ['partition'] }, () =>
      partitions.map((partition) => ({ labels: { partition }, value: 1 })),
    );
    expect(await metrics.expose()).toContain(
      'bulk_lag{partition="0",service="tested",installation="bulk-dev"} 1',
    );
    partitions = ['1'];
    const text = await metrics.expose();
    expect(text).toContain('bulk_lag{partition="1",service="tested",installation="bulk-dev"} 1');
    expect(text).not.toContain('partition="0"');
  });

  it('omits a gauge that fails or is late and exposes the others', async () => {
    const metrics = given();
    metrics.sampled({ name: 'bulk_broken', help: 'Rejects.' }, () =>
      Promise.reject(new Error('unavailable')),
    );
    metrics.sampled({ name: 'bulk_late', help: 'Hangs.' }, () => new Promise<never>(() => undefined));
    metrics.sampled({ name: 'bulk_good', help: 'Reads.' }, () => [{ labels: {}, value: 5 }]);
    const text = await metrics.expose();
    expect(text).not.toMatch(/^bulk_(broken|late)\{/m);
    expect(text).toContain('bulk_good{service="tested",installation="bulk-dev"} 5');
  });

  it.each([
    ['bulk.', 'bulk'],
    ['bulk-dev.', 'bulk-dev'],
    ['team_a.bulk._-', 'team_a.bulk'],
    ['', 'default'],
  ])('names the installation with the prefix %p: %s', (prefix, installation) => {
    expect(installationOf(prefix)).toBe(installation);
  });

  it('bounds a label to its known values', () => {
    const codes = bounded(['A', 'B']);
    expect(['A', 'C', ''].map(codes)).toEqual(['A', 'other', 'other']);
  });
});
