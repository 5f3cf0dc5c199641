import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '../../../..');
const read = (file: string): unknown =>
  parse(readFileSync(join(root, 'deploy', 'observability', file), 'utf8'));

const inhibitionSchema = z.strictObject({
  source_matchers: z.array(z.string()),
  target_matchers: z.array(z.string()),
  equal: z.array(z.string()),
});
const configSchema = z.object({ inhibit_rules: z.array(inhibitionSchema) });
const outageSchema = z.object({
  tests: z.array(
    z.object({
      promql_expr_test: z.array(
        z.object({ eval_time: z.string(), exp_samples: z.array(z.object({ labels: z.string() })) }),
      ),
    }),
  ),
});
type Labels = Readonly<Record<string, string>>;

const { inhibit_rules: inhibitions } = configSchema.parse(read('alertmanager.example.yml'));
const [outage] = outageSchema.parse(read('outage.test.yml')).tests;

/** Returns the alerts that fire at a time of the outage, as promtool computes them. */
function firingAt(time: string): Labels[] {
  const { exp_samples } = outage!.promql_expr_test.find(({ eval_time }) => eval_time === time)!;
  return exp_samples.map(({ labels }) =>
    Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    ),
  );
}

/** Whether an alert matches all of `name = value` and `name =~ "regex"`, as Alertmanager reads them. */
function matches(alert: Labels, matchers: readonly string[]): boolean {
  return matchers.every((matcher) => {
    const [, name = '', operator, quoted = ''] = /^(\w+) (=~?) (.*)$/.exec(matcher.trim())!;
    const value = quoted.replace(/^"(.*)"$/, '$1');
    const actual = alert[name] ?? '';
    return operator === '=' ? actual === value : new RegExp(`^(?:${value})$`).test(actual);
  });
}

/** Returns those that Alertmanager notifies of: neither inhibited nor for inhibition alone. */
function notified(alerts: readonly Labels[]): Labels[] {
  const isInhibited = (target: Labels) =>
    inhibitions.some(
      ({ source_matchers, target_matchers, equal }) =>
        matches(target, target_matchers) &&
        // An alert that matches both sides does not inhibit itself.
        alerts.some(
          (source) =>
            source !== target &&
            matches(source, source_matchers) &&
            equal.every((label) => (source[label] ?? '') === (target[label] ?? '')),
        ),
    );
  return alerts.filter((alert) => alert['severity'] !== 'none' && !isInhibited(alert));
}

const nameOf = (alert: Labels): string => alert['alertname'] ?? '';
const loud = (alerts: readonly Labels[]) => alerts.filter(({ severity }) => severity !== 'none');

describe('the inhibitions of the example for Alertmanager', () => {
  it('leave one alert of an outage of MongoDB, and none of its aftermath', () => {
    const during = firingAt('59m');
    expect(loud(during)).toHaveLength(21);
    expect(loud(during).filter(({ severity }) => severity === 'critical')).toHaveLength(5);
    expect(notified(during).map(nameOf)).toEqual(['BulkDependencyUnavailable']);
    expect(loud(firingAt('75m')).map(nameOf)).toEqual(['BulkErrorBudgetBurns']);
    expect(notified(firingAt('75m'))).toEqual([]);
  });

  it('are counted as the runbooks say', () => {
    const text = readFileSync(join(root, 'docs', 'operations', 'runbooks.md'), 'utf8').replace(/\s+/g, ' ');
    expect(text).toContain('21 alerts fire, 5 of them critical');
    expect(text).toContain('1 alert is left');
  });

  it('keep to the installation', () => {
    for (const { equal } of inhibitions) expect(equal.slice(0, 2)).toEqual(['namespace', 'installation']);
    const [dependency] = firingAt('59m').filter((alert) => nameOf(alert) === 'BulkDependencyUnavailable');
    const elsewhere = { alertname: 'BulkServiceUnavailable', namespace: 'bulk', installation: 'other' };
    expect(notified([dependency!, elsewhere]).map(nameOf)).toEqual([
      'BulkDependencyUnavailable',
      'BulkServiceUnavailable',
    ]);
  });
});
