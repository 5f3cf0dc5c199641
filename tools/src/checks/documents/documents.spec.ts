import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';
import { anchorsOf, linksOf, proseLines } from './markdown.ts';
import { workspaceFiles } from './workspace-files.ts';

const read = (file: string): string => readFileSync(join(workspaceRoot, file), 'utf8');
const files = workspaceFiles(workspaceRoot, '.md');
/** The files in the house style. READMEs of examples and deployments have their own width. */
const ours = files.filter((file) => !/^(deploy|examples)\//.test(file));

/** Returns what is wrong with a link; `undefined` if nothing is. */
function faultOf(file: string, text: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const linked = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(workspaceRoot, linked))) return `${target}: no such file`;
  if (anchor !== undefined && !anchorsOf(read(linked)).has(anchor)) return `${target}: no such heading`;
  const code = /^`([\w.-]+)`$/.exec(text)?.[1];
  if (code === undefined || !/\.m?ts$/.test(linked)) return undefined;
  const isFile = /\.m?[jt]s$/.test(code);
  const holds = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(read(linked));
  // A method is named with its class.
  const named = isFile ? basename(linked) === code : code.split('.').every(holds);
  return named ? undefined : `${linked} does not hold ${code}`;
}

describe('the Markdown files', () => {
  it('exist', () => {
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'docs/guarantees.md', 'docs/reference/cli.md']),
    );
  });

  it.each(files)('link to files, headings and functions that exist: %s', (file) => {
    const faults = linksOf(read(file)).map(({ text, target }) => faultOf(file, text, target));
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
  });

  it.each(ours)('have at most 100 columns of prose: %s', (file) => {
    expect(proseLines(read(file)).filter((line) => line.length > 100)).toEqual([]);
  });
});

describe('README.md', () => {
  it('has at most 150 lines and 10 KB, and nothing generated', () => {
    const readme = read('README.md');
    expect(readme.split('\n').length - 1).toBeLessThanOrEqual(150);
    expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(10_240);
    expect(readme).not.toContain(':start -->');
  });

  it('links to every document of docs', () => {
    const linked = new Set(linksOf(read('README.md')).map(({ target }) => target));
    const documents = files.filter((file) => file.startsWith('docs/') && !file.startsWith('docs/adr/'));
    expect(documents.filter((file) => !linked.has(file))).toEqual([]);
  });
});

describe('the decisions in docs/adr', () => {
  const decisions = files.filter((file) => file.startsWith('docs/adr/')).sort();

  it('are numbered without a gap', () => {
    const numbers = decisions.map((file) => Number(basename(file).slice(0, 4)));
    expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
  });

  it.each(decisions)('have status, date, context, decision, alternatives and consequences: %s', (file) => {
    const text = read(file);
    expect(text).toMatch(new RegExp(`^# ${Number(basename(file).slice(0, 4))}\\. `));
    expect(text).toMatch(/^- \*\*Status:\*\* (accepted|superseded by \[)/m);
    expect(text).toMatch(/^- \*\*Date:\*\* \d{4}-\d\d-\d\d$/m);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(['Context', 'Decision', 'Alternatives', 'Consequences']);
  });
});

describe('docs/reference/cli.md', () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read('package.json')));

  it('has a row for each npm script', () => {
    const rows = [...read('docs/reference/cli.md').matchAll(/^\| `npm (?:run )?([\w:-]+)/gm)].map(
      ([, name]) => name,
    );
    expect([...rows].sort()).toEqual(Object.keys(scripts).sort());
  });

  it.each(files)('names every npm script that this file mentions: %s', (file) => {
    const mentioned = [...read(file).matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name);
    expect(mentioned.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});
