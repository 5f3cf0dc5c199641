/** A link of a Markdown text: its text and its target. */
export interface MarkdownLink {
  readonly text: string;
  readonly target: string;
}

const FENCE = /^ *```[\s\S]*?^ *```$/gm;
const LINK = /(?<!!)\[([^\]]*)\]\(([^)\s]+)\)/g;

/** Returns the links of a text, without those in code blocks. */
export function linksOf(markdown: string): MarkdownLink[] {
  return [...withoutCode(markdown).matchAll(LINK)].map(([, text = '', target = '']) => ({
    text: text.replaceAll(/\s+/g, ' '),
    target,
  }));
}

/** Returns the anchors of a text's headings, as GitHub forms them. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = [...withoutCode(markdown).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .replaceAll(LINK, '$1')
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
  return new Set(anchors);
}

/**
 * Returns the lines of prose.
 *
 * It leaves out code blocks, tables, comments, citations of tests, and lines that hold a link or a
 * URL, which cannot be broken.
 */
export function proseLines(markdown: string): string[] {
  return withoutCode(markdown)
    .split('\n')
    .filter((line) => !/^\s*(\||<!--|- `[^`]+\.ts`: ")|\]\(|https?:/.test(line));
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(FENCE, '');
}
