import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { eventsMarkdown } from './events-markdown.ts';

/** The contract of the topics in the repository, relative to the workspace root. */
export const EVENTS_FILE = 'docs/reference/events.md';

/**
 * Returns the text of `docs/reference/events.md`. A test compares it with the file in the
 * repository.
 */
export async function eventsText(asyncapi: object, workspaceRoot: string): Promise<string> {
  const options = await resolveConfig(join(workspaceRoot, EVENTS_FILE));
  return format(eventsMarkdown(asyncapi), { ...options, parser: 'markdown' });
}
