import type { DescribedInstrument } from '@bulk/runtime/telemetry';
import { withGeneratedSection } from '../config-docs/generated-section.ts';
import { declaredInstruments, type ServiceInstruments } from './declared.ts';

/** The document, relative to the workspace root. */
export const METRICS_FILE = 'docs/reference/metrics.md';

/** Generates the table of metrics. A test compares the text with the file in the repository. */
export async function withMetricsTable(text: string, workspaceRoot: string): Promise<string> {
  const table = metricsTable(await declaredInstruments(workspaceRoot));
  return withGeneratedSection({ path: METRICS_FILE, text }, 'metrics', table, workspaceRoot);
}

/**
 * Builds a row for each instrument, those of all services first. An instrument of several services
 * has one row.
 */
export function metricsTable(services: readonly Omit<ServiceInstruments, 'exposed'>[]): string {
  const rows = new Map<string, { instrument: DescribedInstrument; services: string[] }>();
  for (const { service, declared } of services) {
    for (const instrument of declared) {
      const row = rows.get(instrument.name);
      if (row === undefined) rows.set(instrument.name, { instrument, services: [service] });
      else if (JSON.stringify(row.instrument) === JSON.stringify(instrument)) row.services.push(service);
      else throw new Error(`${instrument.name} is declared in two ways`);
    }
  }
  const sorted = [...rows.values()].sort(
    (a, b) =>
      b.services.length - a.services.length ||
      a.services.join().localeCompare(b.services.join()) ||
      a.instrument.name.localeCompare(b.instrument.name),
  );
  const lines = sorted.map(({ instrument: { name, type, labels, help }, services: who }) => {
    const where = who.length === services.length ? 'all' : who.join(', ');
    const labelled = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labelled} | ${where} | ${help.replaceAll('|', '\\|')} |`;
  });
  return ['| metric | type | labels | services | meaning |', '|---|---|---|---|---|', ...lines].join('\n');
}
