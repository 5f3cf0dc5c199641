import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';

/** A file of the workspace with a generated section: its path from the root, and its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Replaces the text between `<!-- name:start -->` and `<!-- name:end -->` by the Markdown.
 *
 * The Markdown is formatted like the workspace's files.
 *
 * @returns the whole text.
 * @throws Error if the markers are missing.
 */
export async function withGeneratedSection(
  { path, text }: GeneratedFile,
  name: string,
  markdown: string,
  workspaceRoot: string,
): Promise<string> {
  const [startMarker, endMarker] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const start = text.indexOf(startMarker);
  const end = text.indexOf(endMarker);
  if (start === -1 || end < start) throw new Error(`${path} lacks ${startMarker} or ${endMarker}`);
  const options = await resolveConfig(join(workspaceRoot, path));
  const formatted = await format(markdown, { ...options, parser: 'markdown' });
  return `${text.slice(0, start)}${startMarker}\n\n${formatted}\n${text.slice(end)}`;
}
