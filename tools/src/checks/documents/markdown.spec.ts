import { describe, expect, it } from '@jest/globals';
import { anchorsOf, linksOf, proseLines } from './markdown.ts';

const fence = '```';

describe('linksOf', () => {
  it('finds links in prose and tables and ignores code blocks and images', () => {
    const text = `A [\`name\`](a.ts).\n| [b](b.md#c) |\n${fence}\n[d](e)\n${fence}\n![f](g.png)\n`;
    expect(linksOf(text)).toEqual([
      { text: '`name`', target: 'a.ts' },
      { text: 'b', target: 'b.md#c' },
    ]);
  });
});

describe('anchorsOf', () => {
  it('derives anchors as GitHub does and numbers repeated headings', () => {
    const text = '# A `b.c`: d & E\n\n## [Link](x)\n\n## Link\n';
    expect([...anchorsOf(text)]).toEqual(['a-bc-d--e', 'link', 'link-1']);
  });
});

describe('proseLines', () => {
  it('omits what cannot be wrapped: tables, code, quotations and links', () => {
    const text = `prose\n| a |\n${fence}\ncode\n${fence}\n- \`a/b.test.ts\`: "title"\n[a](b)\n- item\n`;
    expect(proseLines(text).filter((line) => line !== '')).toEqual(['prose', '- item']);
  });
});
