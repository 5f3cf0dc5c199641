import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { parse } from 'yaml';
import { z } from 'zod';
import { PROMETHEUS_RULE_FILE, prometheusRuleText } from './prometheus-rule.ts';

describe('the Kubernetes manifest of the alert rules', () => {
  it('equals the output for the alert rules (else: npm run codegen)', () => {
    expect(readFileSync(join(workspaceRoot, PROMETHEUS_RULE_FILE), 'utf8')).toBe(
      prometheusRuleText(workspaceRoot),
    );
  });

  it('contains every group of the alert rules', () => {
    const rules: unknown = parse(
      readFileSync(join(workspaceRoot, 'deploy/observability/alerts.yml'), 'utf8'),
    );
    const { spec } = z.object({ spec: z.unknown() }).parse(parse(prometheusRuleText(workspaceRoot)));
    expect(spec).toEqual(rules);
  });
});
