import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { parse } from 'yaml';
import { IMAGES } from '../images/images.ts';
import { parseDigests, pinImages } from './pin-images.ts';

const digestOf = (i: number): string => `sha256:${String(i).repeat(64)}`;
const lines = IMAGES.map((name, i) => `${name}@${digestOf(i)}`).join('\n');
const release = {
  registry: 'ghcr.io/acme/bulk-action-platform',
  version: '1.2.3',
  digests: parseDigests(lines),
};
const overlay = readFileSync(
  join(workspaceRoot, 'deploy/k8s/overlays/prod/platform/kustomization.yaml'),
  'utf8',
);

describe('pinImages', () => {
  it('gives every image of prod its name, tag and digest, and changes nothing else', () => {
    const pinned = pinImages(overlay, release);
    const { images, ...rest } = parse(pinned) as Record<string, unknown>;
    expect(images).toEqual(
      IMAGES.map((name, i) => ({
        name: `bulk-action-platform/${name}`,
        newName: `ghcr.io/acme/bulk-action-platform/${name}`,
        newTag: '1.2.3',
        digest: digestOf(i),
      })),
    );
    expect(parse(overlay)).toMatchObject(rest);
    const others = (text: string): string[] =>
      text.split('\n').filter((line) => !/^\s+(newName|newTag|digest):/.test(line));
    expect(others(pinned)).toEqual(others(overlay));
  });

  it('replaces the digests of an earlier release', () => {
    const earlier = pinImages(overlay, { ...release, version: '1.2.2' });
    expect(pinImages(earlier, release)).toBe(pinImages(overlay, release));
  });

  it.each(['latest', 'v1.2.3', '1.2.3-', '1.2.3+build'])('refuses the version %s', (version) => {
    expect(() => pinImages(overlay, { ...release, version })).toThrow('expected a version such as 1.2.3');
  });

  it('refuses a kustomization that lacks an image', () => {
    expect(() => pinImages(overlay.replace('name: bulk-action-platform/ops', 'name: ops'), release)).toThrow(
      'lacks bulk-action-platform/ops',
    );
  });
});

describe('parseDigests', () => {
  it.each([
    ['an unknown image', `${lines}\nother@${digestOf(1)}`],
    ['an image twice', `${lines}\nops@${digestOf(1)}`],
    ['a tag in the place of a digest', lines.replace(/ops@.*/, 'ops@1.2.3')],
    ['no digest of an image', lines.replace(/ops@.*/, '')],
  ])('refuses %s', (_what, text) => {
    expect(() => parseDigests(text)).toThrow(expect.objectContaining({ code: 'NOT_PINNED' }));
  });
});
