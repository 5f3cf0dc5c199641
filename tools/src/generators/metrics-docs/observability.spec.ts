import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { OUTCOME_CODES } from '@bulk/domain';
import { parse } from 'yaml';
import { z } from 'zod';
import { CONFIGURATION_FILE } from '../config-docs/config-table.ts';
import { declaredInstruments } from './declared.ts';

const root = resolve(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(join(root, 'deploy', 'observability', file), 'utf8');
const services = await declaredInstruments(root);

const alertSchema = z.strictObject({
  alert: z.string().regex(/^Bulk[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  keep_firing_for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['none', 'warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
});
const recordSchema = z.strictObject({
  record: z.string().regex(/^bulk(:[a-z0-9_]+)+$/),
  expr: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
});
const rulesSchema = z.object({
  groups: z.array(z.object({ name: z.string(), rules: z.array(z.union([alertSchema, recordSchema])) })),
});
const testsSchema = z.object({
  group_eval_order: z.array(z.string()),
  tests: z.array(
    z.object({
      alert_rule_test: z
        .array(
          z.object({
            alertname: z.string(),
            exp_alerts: z.array(z.object({ exp_labels: z.record(z.string(), z.string()) })),
          }),
        )
        .default([]),
    }),
  ),
});
const contentSchema = z.object({
  id: z.int(),
  title: z.string().min(1),
  type: z.string(),
  description: z.string().optional(),
  collapsed: z.boolean().optional(),
  targets: z.array(z.object({ expr: z.string().min(1) })).default([]),
});
const panelSchema = contentSchema.extend({ panels: z.array(contentSchema).default([]) });
const dashboardSchema = z.object({
  uid: z.string(),
  schemaVersion: z.int(),
  panels: z.array(panelSchema),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
});

const { groups } = rulesSchema.parse(parse(read('alerts.yml')));
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule) => 'alert' in rule);
const records = rules.filter((rule) => 'record' in rule);
const dashboard = dashboardSchema.parse(JSON.parse(read('dashboard.json')));
const panels = dashboard.panels.flatMap((panel) => [panel, ...panel.panels]);
const queries = [
  ...rules.map((rule) => ['alert' in rule ? rule.alert : rule.record, rule.expr] as const),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
];

/**
 * Every series that a service exposes → its labels. Those of prom-client for the process use none.
 */
const series = new Map<string, Set<string>>();
/** Labels of every metric, and those that the target of a scrape has. */
const COMMON = ['service', 'installation', 'namespace', 'job', 'instance', 'le'];
for (const { declared, exposed } of services) {
  for (const [name, type] of exposed) {
    const labels = declared.find((instrument) => instrument.name === name)?.labels ?? [];
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) {
      const known = series.get(`${name}${suffix}`) ?? new Set(COMMON);
      for (const label of labels) known.add(label);
      series.set(`${name}${suffix}`, known);
    }
  }
}
const METRIC = /\b(?:bulk|nodejs|process)_[a-z0-9_]+/g;
/** Names that come from recording rules, from Prometheus itself, or from Kubernetes. */
const OTHER = /\b(?:bulk:[a-z0-9_:]+|up\b|ALERTS\b|vector\(|(?:kube|container|keda)_\w+)/g;
/** Their labels. */
const OTHER_LABELS = [
  ...['objective', 'window', 'status', 'alertstate', 'alertname', 'severity'],
  ...['horizontalpodautoscaler', 'job_name', 'pod', 'container', 'resource', 'scaledObject'],
];

describe('alert rules and dashboard', () => {
  it.each(queries)('query only metrics that a service has: %s', (_title, expr) => {
    const names = expr.match(METRIC) ?? [];
    const others = expr.match(OTHER) ?? [];
    expect(names.length + others.length).toBeGreaterThan(0);
    expect(names.filter((name) => !series.has(name))).toEqual([]);
    const recorded = others.filter((name) => name.startsWith('bulk:'));
    expect(recorded.filter((name) => !records.some(({ record }) => record === name))).toEqual([]);
    const labels = new Set([
      ...names.flatMap((name) => [...(series.get(name) ?? [])]),
      ...(others.length > 0 ? [...COMMON, ...OTHER_LABELS] : []),
    ]);
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

const TESTS = ['alerts', 'objectives', 'planned', 'outage', 'days'].map((name) => `${name}.test.yml`);

describe('the alert rules', () => {
  const tested = TESTS.map((file) => testsSchema.parse(parse(read(file))));

  it('have a runbook of the same name, whose address has a base that the user sets', () => {
    const runbooks = readFileSync(join(root, 'docs', 'operations', 'runbooks.md'), 'utf8').split('\n');
    const base = '{{ with $externalLabels.runbooks }}{{ . }}{{ else }}https://example.com/runbooks{{ end }}';
    for (const { alert, annotations } of alerts) {
      expect(runbooks).toContain(`### ${alert}`);
      expect(annotations.runbook_url).toBe(`${base}#${alert.toLowerCase()}`);
    }
    const sections = runbooks.filter((line) => /^### Bulk/.test(line)).map((line) => line.slice(4));
    expect(sections.filter((name) => !alerts.some(({ alert }) => alert === name))).toEqual([]);
  });

  it('have a test in which they fire, and one in which they do not', () => {
    const tests = tested.flatMap((file) => file.tests).flatMap((one) => one.alert_rule_test);
    for (const { alert, labels } of alerts) {
      const fires = tests
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts }) =>
          exp_alerts.some(({ exp_labels }) => exp_labels['severity'] === labels.severity),
        );
      expect([alert, labels.severity, new Set(fires)]).toEqual([
        alert,
        labels.severity,
        new Set([true, false]),
      ]);
    }
  });

  it('keep namespace and installation wherever they aggregate', () => {
    // Metrics of Kubernetes know no installation.
    const mixed = groups
      .filter(({ name }) => name !== 'bulk-kubernetes')
      .flatMap((group) => group.rules)
      .flatMap(({ expr }) => [...expr.matchAll(/\bby \(([^)]*)\)/g)].map(([, list = '']) => list))
      .filter((list) => !/^namespace, (installation|job)\b/.test(list));
    expect(mixed).toEqual([]);
  });

  it('are tested in the order of their groups', () => {
    for (const { group_eval_order } of tested)
      expect(group_eval_order).toEqual(groups.map(({ name }) => name));
  });
});

describe('the dashboard', () => {
  it('chooses data source, namespace, installation and instance, and links to runbooks', () => {
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['namespace', 'query'],
      ['installation', 'query'],
      ['instance', 'query'],
      ['runbooks', 'constant'],
    ]);
    const unfiltered = panels
      .flatMap(({ targets }) => targets)
      .filter(({ expr }) => !expr.includes('$installation') || !expr.includes('$namespace'));
    expect(unfiltered).toEqual([]);
  });

  it('opens with whether the platform is well, and everything else collapsed', () => {
    const [first, ...rows] = dashboard.panels.filter(({ type }) => type === 'row');
    expect([first!.title, first!.collapsed]).toEqual(['Is it well?', false]);
    expect(rows.filter(({ collapsed }) => collapsed !== true)).toEqual([]);
  });

  it('has panels with unique ids, each with a description', () => {
    const ids = panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(panels.filter(({ type, description }) => type !== 'row' && description === undefined)).toEqual([]);
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

/** The settings of a Kubernetes overlay that a component reads. */
function overlaySettings(): string[] {
  const folder = join(root, 'deploy', 'k8s', 'components');
  return readdirSync(folder).flatMap((component) => {
    const text = readFileSync(join(folder, component, 'kustomization.yaml'), 'utf8');
    return [...text.matchAll(/name: settings, fieldPath: data\.([A-Z_]+)/g)].map(([, name = '']) => name);
  });
}

/** Returns the variables of deploy/compose.yaml. */
function composeVariables(): string[] {
  const text = readFileSync(join(root, 'deploy', 'compose.yaml'), 'utf8');
  return [...text.matchAll(/\$\{([A-Z_]+):-/g)].map(([, name = '']) => name);
}

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
      'MALFORMED_MESSAGE',
      'HANDLER_CONTRACT',
      'FENCE_AHEAD_OF_LOG',
      'TOPIC_REPLACED',
      // Node's own.
      'NODE_EXTRA_CA_CERTS',
      'NODE_OPTIONS',
      'TOO_BUSY',
      'ACCOUNT_TOO_BUSY',
      'ACTION_NOT_FOUND',
      'NOT_DRAINED',
      'NOT_REPLACED',
      'FIRST_POSITIONS_LOST',
    ];
    const codes = Object.keys(OUTCOME_CODES);
    const known = new Set([...constants, ...codes, ...overlaySettings(), ...composeVariables()]);
    expect(variables.filter((name) => !settings.includes(`\`${name}\``) && !known.has(name ?? ''))).toEqual(
      [],
    );
  });
});
