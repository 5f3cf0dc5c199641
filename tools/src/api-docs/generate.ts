import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { DOCS_FILE, withGeneratedSection } from '../config-docs/generated-section.ts';
import type { ApiDocuments } from './api-documents.ts';
import { endpointTable } from './endpoint-table.ts';

/** The AsyncAPI document in the repository, relative to the workspace root. */
export const ASYNCAPI_FILE = 'docs/asyncapi.json';

/** The README's text with the table of endpoints made anew; a test compares it with the file in the repository. */
export function withEndpointTable(
  text: string,
  { openapi }: ApiDocuments,
  workspaceRoot: string,
): Promise<string> {
  return withGeneratedSection(text, 'endpoints', endpointTable(openapi), workspaceRoot);
}

/** The text of `docs/asyncapi.json`. */
export async function asyncApiText({ asyncapi }: ApiDocuments, workspaceRoot: string): Promise<string> {
  const options = await resolveConfig(join(workspaceRoot, DOCS_FILE));
  return format(JSON.stringify(asyncapi), { ...options, parser: 'json' });
}
