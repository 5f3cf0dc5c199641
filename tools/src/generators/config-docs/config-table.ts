import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { withGeneratedSection } from './generated-section.ts';

/** The reference of the settings, relative to the workspace root. */
export const CONFIGURATION_FILE = 'docs/reference/configuration.md';

/** One variable of one service. */
interface Variable {
  readonly name: string;
  readonly fallback: string;
  readonly description: string;
}

/**
 * Generates the table between its markers from the `src/config.ts` of each service.
 *
 * A test compares the text with the file in the repository.
 *
 * @throws Error if the markers are missing, or a variable has no description.
 */
export async function withConfigTable(text: string, workspaceRoot: string): Promise<string> {
  const table = configTable(await variablesByService(workspaceRoot));
  return withGeneratedSection({ path: CONFIGURATION_FILE, text }, 'config', table, workspaceRoot);
}

async function variablesByService(workspaceRoot: string): Promise<Map<string, Variable[]>> {
  const services = join(workspaceRoot, 'services');
  const found = new Map<string, Variable[]>();
  for (const service of readdirSync(services).sort()) {
    const file = join(services, service, 'src', 'config.ts');
    if (existsSync(file)) found.set(service, variablesOf(await configSchemaOf(file), service));
  }
  return found;
}

/**
 * Returns the one zod object that a `config.ts` exports under a name that ends in `ConfigSchema`.
 */
export async function configSchemaOf(file: string): Promise<z.ZodObject> {
  const exported = z.record(z.string(), z.unknown()).parse({ ...(await import(pathToFileURL(file).href)) });
  const schemas = Object.entries(exported).flatMap(([name, value]) =>
    name.endsWith('ConfigSchema') && value instanceof z.ZodObject ? [value] : [],
  );
  const [schema] = schemas;
  if (schema === undefined || schemas.length > 1) {
    throw new Error(`${file} exports ${schemas.length} zod objects named …ConfigSchema, expected one`);
  }
  return schema;
}

function variablesOf(schema: z.ZodObject, service: string): Variable[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    if (!(field instanceof z.ZodType) || field.description === undefined) {
      throw new Error(`${service}: ${name} has no description`);
    }
    return { name, fallback: fallbackOf(field), description: field.description };
  });
}

function fallbackOf(field: z.ZodType): string {
  const absent = field.safeParse(undefined);
  if (!absent.success) return '**required**';
  if (absent.data === undefined) return '';
  const text = z.union([z.array(z.string()).transform((parts) => parts.join(',')), z.coerce.string()]);
  const fallback = text.parse(absent.data);
  return fallback === '' ? '' : `\`${fallback}\``;
}

/** Builds a row for each variable. Services with the same default and description share a row. */
function configTable(byService: ReadonlyMap<string, readonly Variable[]>): string {
  const rows = new Map<string, { variable: Variable; services: string[] }>();
  for (const [service, variables] of byService) {
    for (const variable of variables) {
      const key = JSON.stringify(variable);
      const row = rows.get(key);
      if (row === undefined) rows.set(key, { variable, services: [service] });
      else row.services.push(service);
    }
  }
  const everyone = byService.size;
  const sorted = [...rows.values()].sort(
    (a, b) =>
      b.services.length - a.services.length ||
      compare(a.services.join(), b.services.join()) ||
      compare(a.variable.name, b.variable.name),
  );
  const lines = sorted.map(({ variable: { name, fallback, description }, services }) => {
    const who = services.length === everyone ? 'all' : services.join(', ');
    return `| \`${name}\` | ${fallback} | ${who} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| variable | default | services | meaning |', '|---|---|---|---|', ...lines].join('\n');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
