import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { withGeneratedSection } from '../config-docs/generated-section.ts';
import type { ApiDocuments } from './api-documents.ts';
import { endpointTable } from './endpoint-table.ts';
import { websocketMarkdown } from './websocket-markdown.ts';

/** The AsyncAPI document in the repository, relative to the workspace root. */
export const ASYNCAPI_FILE = 'docs/reference/asyncapi.json';
/** The reference of the REST API, relative to the workspace root. */
export const REST_API_FILE = 'docs/reference/rest-api.md';
/** The reference of the WebSocket, relative to the workspace root. */
export const WEBSOCKET_FILE = 'docs/reference/websocket.md';

/** Generates the table of endpoints. A test compares the text with the file in the repository. */
export function withEndpointTable(
  text: string,
  { openapi }: ApiDocuments,
  workspaceRoot: string,
): Promise<string> {
  return withGeneratedSection(
    { path: REST_API_FILE, text },
    'endpoints',
    endpointTable(openapi),
    workspaceRoot,
  );
}

/** Returns the text of `docs/reference/asyncapi.json`. */
export async function asyncApiText({ asyncapi }: ApiDocuments, workspaceRoot: string): Promise<string> {
  const options = await resolveConfig(join(workspaceRoot, ASYNCAPI_FILE));
  return format(JSON.stringify(asyncapi), { ...options, parser: 'json' });
}

/** Returns the text of `docs/reference/websocket.md`. */
export async function websocketText({ asyncapi }: ApiDocuments, workspaceRoot: string): Promise<string> {
  const options = await resolveConfig(join(workspaceRoot, WEBSOCKET_FILE));
  return format(websocketMarkdown(asyncapi), { ...options, parser: 'markdown' });
}
