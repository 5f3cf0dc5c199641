import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { CONFIGURATION_FILE } from '../config-docs/config-table.ts';
import { declaredInstruments } from './declared.ts';

const root = resolve(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(join(root, 'deploy', 'observability', file), 'utf8');
const services = await declaredInstruments(root);

const ruleSchema = z.strictObject({
  alert: z.string().regex(/^Bulk[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
});
const rulesSchema = z.object({ groups: z.array(z.object({ rules: z.array(ruleSchema) })) });
const testsSchema = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});
const panelSchema = z.object({
  id: z.int(),
  title: z.string().min(1),
  targets: z.array(z.object({ expr: z.string().min(1) })).default([]),
});
const dashboardSchema = z.object({
  uid: z.string(),
  schemaVersion: z.int(),
  panels: z.array(panelSchema),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
});

const { rules } = rulesSchema.parse(parse(read('alerts.yml'))).groups[0]!;
const dashboard = dashboardSchema.parse(JSON.parse(read('dashboard.json')));
const queries = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
];

/**
 * Every series that a service exposes → its labels. Those of prom-client for the process use none.
 */
const series = new Map<string, Set<string>>();
for (const { declared, exposed } of services) {
  for (const [name, type] of exposed) {
    const labels = declared.find((instrument) => instrument.name === name)?.labels ?? [];
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) {
      const known = series.get(`${name}${suffix}`) ?? new Set(['service', 'instance', 'le']);
      for (const label of labels) known.add(label);
      series.set(`${name}${suffix}`, known);
    }
  }
}
const METRIC = /\b(?:bulk|nodejs|process)_[a-z0-9_]+/g;

describe('alert rules and dashboard', () => {
  it.each(queries)('query only metrics that a service has: %s', (_title, expr) => {
    const names = expr.match(METRIC) ?? [];
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !series.has(name))).toEqual([]);
    const labels = new Set(names.flatMap((name) => [...(series.get(name) ?? [])]));
    const used = [
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
      ...[...expr.matchAll(/[{,]\s*([a-z_]+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label),
    ];
    expect(used.filter((label) => !labels.has(label))).toEqual([]);
  });

  it('are checked by a parser that detects an unknown name', () => {
    expect('rate(bulk_no_such_thing_total[5m])'.match(METRIC)!.some((name) => series.has(name))).toBe(false);
  });
});

describe('the alert rules', () => {
  it('have a runbook of the same name, a test in which they fire and a test in which they do not', () => {
    const tests = testsSchema
      .parse(parse(read('alerts.test.yml')))
      .tests.flatMap((one) => one.alert_rule_test);
    const runbooks = readFileSync(join(root, 'docs', 'operations', 'runbooks.md'), 'utf8').split('\n');
    for (const { alert, annotations } of rules) {
      expect(runbooks).toContain(`### ${alert}`);
      expect(annotations.runbook_url).toBe(`docs/operations/runbooks.md#${alert.toLowerCase()}`);
      const fires = tests
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts }) => exp_alerts.length > 0);
      expect([alert, new Set(fires)]).toEqual([alert, new Set([true, false])]);
    }
  });
});

describe('the dashboard', () => {
  it('has panels with unique ids and a choice of data source', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(dashboard.templating.list).toEqual([
      expect.objectContaining({ name: 'datasource', type: 'datasource' }),
    ]);
  });

  it('shows every declared metric', () => {
    const shown = new Set(
      queries
        .flatMap(([, expr]) => expr.match(METRIC) ?? [])
        .map((n) => n.replace(/_(bucket|sum|count)$/, '')),
    );
    const declared = new Set(services.flatMap((one) => one.declared.map(({ name }) => name)));
    expect([...declared].filter((name) => !shown.has(name))).toEqual([]);
  });
});

describe('the documentation of operations', () => {
  it('names only metrics and variables that exist', () => {
    const folder = join(root, 'docs', 'operations');
    // outages.spec.ts checks the codes of outages.md.
    const text = readdirSync(folder)
      .filter((file) => file !== 'outages.md')
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
    const names = [...new Set(text.match(/\bbulk_[a-z0-9_]+/g))];
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !series.has(name) && !series.has(`${name}_count`))).toEqual([]);
    const settings = readFileSync(join(root, CONFIGURATION_FILE), 'utf8');
    const variables = [
      ...new Set([...text.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(([, name]) => name)),
    ];
    expect(variables.length).toBeGreaterThan(5);
    const constants = [
      'DEAD_LETTERED',
      'MALFORMED_MESSAGE',
      'PROCESSING_ERROR',
      'HANDLER_CONTRACT',
      'FENCE_AHEAD_OF_LOG',
      'TOO_BUSY',
      'ACCOUNT_TOO_BUSY',
    ];
    expect(
      variables.filter((name) => !settings.includes(`\`${name}\``) && !constants.includes(name ?? '')),
    ).toEqual([]);
  });
});
