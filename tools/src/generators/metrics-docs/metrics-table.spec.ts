import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { declaredInstruments } from './declared.ts';
import { METRICS_FILE, metricsTable, withMetricsTable } from './metrics-table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const services = await declaredInstruments(root);

describe('the table of metrics', () => {
  it('in docs/reference/metrics.md equals the one of the code (else: npm run docs)', async () => {
    const text = readFileSync(join(root, METRICS_FILE), 'utf8');
    expect(await withMetricsTable(text, root)).toBe(text);
  });

  it('has one row for a metric of several services and refuses two meanings of a name', () => {
    const one = { name: 'bulk_a_total', type: 'counter', help: 'A.', labels: ['code'] } as const;
    const table = metricsTable([
      { service: 'x', declared: [one] },
      { service: 'y', declared: [one, { ...one, name: 'bulk_b_total', labels: [] }] },
    ]);
    expect(table.split('\n').slice(2)).toEqual([
      '| `bulk_a_total` | counter | `code` | all | A. |',
      '| `bulk_b_total` | counter |  | y | A. |',
    ]);
    const other = { ...one, help: 'Something else.' };
    expect(() =>
      metricsTable([
        { service: 'x', declared: [one] },
        { service: 'y', declared: [other] },
      ]),
    ).toThrow('bulk_a_total is declared in two ways');
  });
});

describe('the instruments of every service', () => {
  it('belong to four services', () => {
    expect(services.map(({ service }) => service)).toEqual([
      'handler',
      'intake',
      'notifier',
      'stats-aggregator',
    ]);
  });

  it.each(services)('follow the conventions: $service', ({ declared, exposed }) => {
    for (const { name, type, help, labels } of declared) {
      expect(name).toMatch(/^bulk_[a-z0-9_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|millis|minutes|kb)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/^\S.*\.$/);
      for (const label of labels) {
        expect(label).toMatch(/^[a-z][a-z_]*$/);
        expect(label).not.toMatch(/(^|_)(id|account|action|entity|key)$/);
      }
      expect(exposed.get(name)).toBe(type);
    }
  });
});
