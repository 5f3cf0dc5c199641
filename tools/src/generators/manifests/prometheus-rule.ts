import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The manifest of the alert rules in the repository, relative to the workspace root. */
export const PROMETHEUS_RULE_FILE = 'deploy/k8s/components/prometheus-operator/prometheus-rule.yaml';

const RULES_FILE = 'deploy/observability/alerts.yml';

const HEAD = `# Made by \`npm run codegen\` of ${RULES_FILE}; a test fails when it is stale.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: bulk-action-platform
  labels: { app.kubernetes.io/part-of: bulk-action-platform, release: PROMETHEUS_RELEASE }
spec:
`;

/** Returns the alert rules as the Prometheus Operator reads them, with their comments. */
export function prometheusRuleText(workspaceRoot: string): string {
  const lines = readFileSync(join(workspaceRoot, RULES_FILE), 'utf8').split('\n');
  const rules = lines.slice(lines.indexOf('groups:'));
  return HEAD + rules.map((line) => (line === '' ? line : `  ${line}`)).join('\n');
}
