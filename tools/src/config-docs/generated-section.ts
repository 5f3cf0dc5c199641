import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';

/** The file that holds the generated sections, relative to the workspace root. */
export const DOCS_FILE = 'README.md';

/**
 * The text with what is between `<!-- name:start -->` and `<!-- name:end -->` replaced by the Markdown, formatted as the
 * workspace's files are.
 *
 * @throws Error when the markers are missing.
 */
export async function withGeneratedSection(
  text: string,
  name: string,
  markdown: string,
  workspaceRoot: string,
): Promise<string> {
  const [startMarker, endMarker] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const start = text.indexOf(startMarker);
  const end = text.indexOf(endMarker);
  if (start === -1 || end < start) throw new Error(`${DOCS_FILE} lacks ${startMarker} or ${endMarker}`);
  const options = await resolveConfig(join(workspaceRoot, DOCS_FILE));
  const formatted = await format(markdown, { ...options, parser: 'markdown' });
  return `${text.slice(0, start)}${startMarker}\n\n${formatted}\n${text.slice(end)}`;
}
