import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readNodeVersions, workspaceRoot } from '@bulk/local-stack';
import { DOCKERFILE, IMAGE_USER, IMAGES } from './images.ts';

interface Stage {
  readonly from: string;
  readonly lines: readonly string[];
}

const instructions = readFileSync(DOCKERFILE, 'utf8')
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .join('\n')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '');

/** Name of a stage → its base and its instructions. */
const stages = new Map<string, Stage>();
for (const line of instructions) {
  const [, from, name] = /^FROM (\S+) AS (\S+)$/.exec(line) ?? [];
  const last = [...stages.values()].at(-1);
  if (from !== undefined && name !== undefined) stages.set(name, { from, lines: [] });
  else if (last !== undefined) (last.lines as string[]).push(line);
}

/**
 * Returns all instructions of an image: those of the stages that it is made from, and then its own.
 */
function linesOf(name: string): string[] {
  const stage = stages.get(name);
  return stage === undefined ? [] : [...linesOf(stage.from), ...stage.lines];
}

/** Checks what would otherwise need a build, which requires an engine and a base image. */
describe.each(IMAGES)('the image of %s', (name) => {
  it('has its own target', () => {
    expect(stages.get(name)?.from).toBe('runtime');
  });

  it('runs as a numeric user who is not root', () => {
    const users = linesOf(name).filter((line) => line.startsWith('USER '));
    expect(users).toEqual([`USER ${IMAGE_USER}`]);
    expect(IMAGE_USER).toMatch(/^[1-9]\d{3,}:[1-9]\d{3,}$/);
  });

  it('runs Node as process 1, which receives the signals', () => {
    const entries = linesOf(name).filter((line) => /^(ENTRYPOINT|CMD|STOPSIGNAL) /.test(line));
    expect(entries).toEqual(['STOPSIGNAL SIGTERM', 'ENTRYPOINT ["node", "--enable-source-maps", "main.js"]']);
  });

  it('contains Node and its own build and nothing else', () => {
    const folder = name === 'ops' ? 'tools' : `services/${name}`;
    const copies = linesOf(name).filter((line) => /^(COPY|ADD|RUN) /.test(line));
    expect(stages.get('runtime')?.from).toBe('scratch');
    expect(copies).toEqual(['COPY --from=rootfs /rootfs /', `COPY --from=build /build/${folder}/dist ./`]);
  });
});

describe('the Dockerfile', () => {
  it('takes one base image from an argument, with a version and never "latest"', () => {
    const base = /^ARG BASE_IMAGE=(\S+)$/.exec(instructions[0] ?? '')?.[1];
    expect(base).toMatch(/^[^:]+:\d[\w.-]*$/);
    const foreign = [...stages.values()].map(({ from }) => from).filter((from) => !stages.has(from));
    expect([...new Set(foreign)]).toEqual(['${BASE_IMAGE}', 'scratch']);
    expect(instructions.join('\n')).not.toContain('latest');
  });

  it('uses a base with the declared version of Node', () => {
    expect(instructions[0]).toBe(`ARG BASE_IMAGE=node:${readNodeVersions().images.version}-bookworm-slim`);
  });

  it('installs from the lock file', () => {
    const installs = instructions.filter((line) => /npm (ci|i|install)\b/.test(line));
    expect(installs.every((line) => line.includes('npm ci'))).toBe(true);
    expect(installs.some((line) => line.includes('npm ci --omit=dev'))).toBe(true);
  });

  it('receives neither packages, builds, secrets nor history from the folder', () => {
    const lines = readFileSync(join(workspaceRoot, '.dockerignore'), 'utf8').split('\n');
    expect(lines[1]).toBe('**');
    for (const pattern of ['**/node_modules', '**/dist', '**/.env*']) expect(lines).toContain(pattern);
    expect(lines.filter((line) => line.startsWith('!')).join()).not.toMatch(/\.git\b|\.stack|!\*/);
  });
});
