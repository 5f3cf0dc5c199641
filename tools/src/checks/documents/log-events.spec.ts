import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';

const read = (...path: string[]): string => readFileSync(join(workspaceRoot, ...path), 'utf8');
const reference = read('docs', 'reference', 'log-events.md');
const listed = [...reference.matchAll(/^\| `([^`]+)` +\| /gm)].map(([, line = '']) => line);

/**
 * The sources of services and libraries without their specs: everything that can write to a log.
 */
const sources = ['services', 'libs']
  .flatMap((folder) => readdirSync(join(workspaceRoot, folder)).map((name) => join(folder, name, 'src')))
  .filter((folder) => statSync(join(workspaceRoot, folder), { throwIfNoEntry: false }) !== undefined)
  .flatMap((folder) =>
    readdirSync(join(workspaceRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .map((file) => read(folder, file)),
  );

describe('docs/reference/log-events.md', () => {
  it('lists each log line once', () => {
    expect(listed.length).toBeGreaterThan(20);
    expect(new Set(listed).size).toBe(listed.length);
  });

  it.each(listed)('lists a line that a source logs: %s', (line) => {
    expect(sources.some((source) => source.includes(`'${line}'`))).toBe(true);
  });

  it('lists every line that a runbook quotes', () => {
    const runbooks = read('docs', 'operations', 'runbooks.md').replaceAll(/\s+/g, ' ');
    // A quoted line is code of several plain words. Commands and requests have other characters or
    // a known start.
    const quoted = [...runbooks.matchAll(/`([A-Za-z][a-z]*(?: [a-z;:,-]+){2,})`/g)]
      .map(([, line = '']) => line)
      .filter((line) => !/^(npm|curl|kubectl|ops) /.test(line));
    expect(quoted.length).toBeGreaterThan(5);
    expect(quoted.filter((line) => !listed.includes(line))).toEqual([]);
  });
});
