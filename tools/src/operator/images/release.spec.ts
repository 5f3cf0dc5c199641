import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { parse } from 'yaml';
import { z } from 'zod';
import { IMAGES } from './images.ts';

const read = (path: string): string => readFileSync(join(workspaceRoot, path), 'utf8');
const step = z.object({ uses: z.string().optional(), run: z.string().optional() });
const workflow = z.object({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.object({ permissions: z.record(z.string(), z.string()), steps: z.array(step) }),
  ),
});
const bake = z.object({
  target: z.object({
    image: z.object({
      matrix: z.object({ image: z.array(z.string()) }),
      dockerfile: z.string(),
      platforms: z.array(z.string()),
      args: z.record(z.string(), z.string()),
      attest: z.array(z.string()),
    }),
  }),
});

describe('the release', () => {
  const { permissions, jobs } = workflow.parse(parse(read('.github/workflows/release.yml')));
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  it('pins every action by its commit, because it may write', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? []);
    expect(actions.length).toBeGreaterThan(5);
    for (const action of actions) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    expect(permissions).toEqual({ contents: 'read' });
  });

  it('puts nothing that others write into a script', () => {
    for (const { run } of steps) expect(run ?? '').not.toContain('${{');
  });

  it('scans before it signs, and tags what it has signed', () => {
    const text = steps.map(({ run }) => run ?? '').join('\n');
    const order = ['trivy image', 'cosign sign', 'imagetools create', 'npm run pin-images'];
    const places = order.map((each) => text.indexOf(each));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    expect(text).toContain('--exit-code 1');
  });

  it('builds every image for both architectures, with SBOM and provenance', () => {
    const { image } = bake.parse(JSON.parse(read('deploy/images/bake.json'))).target;
    expect(image).toMatchObject({
      matrix: { image: [...IMAGES] },
      dockerfile: 'deploy/images/Dockerfile',
      platforms: ['linux/amd64', 'linux/arm64'],
      attest: ['type=provenance,mode=max', 'type=sbom'],
    });
    const declared = [...read('deploy/images/Dockerfile').matchAll(/^ARG (BUILD_\w+)=/gm)];
    expect(Object.keys(image.args).sort()).toEqual(declared.map(([, name]) => name).sort());
  });
});
