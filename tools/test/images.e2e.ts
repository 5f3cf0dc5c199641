import { afterAll, describe, expect, it } from '@jest/globals';
import { SERVICES } from '../src/index.ts';
import { Docker } from '../src/images/docker.ts';
import { buildImages, IMAGES } from '../src/images/images.ts';
import { verifyImages } from '../src/images/verify.ts';

// Which base, and which network reaches the package registries, depends on the machine: BULK_TEST_BASE_IMAGE and
// BULK_TEST_BUILD_NETWORK. Images are built where an engine and that base are; elsewhere the Dockerfile is still held to
// its rules by tools/src/images/dockerfile.spec.ts, and that nothing is built is said, not hidden.
const { BULK_TEST_BASE_IMAGE: base, BULK_TEST_BUILD_NETWORK: network } = process.env;
const docker = new Docker(process.env);
const reason =
  (await docker.whyNot()) ??
  (base === undefined ? 'no base image is named in BULK_TEST_BASE_IMAGE' : await docker.whyNoImage(base));
const MEGABYTE = 1e6;
const OWN_LIMIT = 120 * MEGABYTE;

describe('the images', () => {
  if (reason !== undefined || base === undefined) {
    it('are not built here, and the reason is one line', () => {
      process.stderr.write(`images: nothing is built or run: ${reason}\n`);
      expect(reason).toMatch(/^[^\n]{10,}$/);
    });
    return;
  }

  const tag = `test-${process.pid}`;
  afterAll(async () => {
    await docker.must(['rmi', '--force', ...IMAGES.map((name) => `bulk-action-platform/${name}:${tag}`)]);
  });

  it('are built, small beside their base, and carry an action as an unprivileged user who can write nothing', async () => {
    const sizes = await buildImages(docker, { base, tag, network });
    const bare = Number(await docker.must(['image', 'inspect', '--format', '{{.Size}}', base]));
    for (const [name, bytes] of sizes) {
      process.stderr.write(`images: ${name} ${Math.round((bytes - bare) / MEGABYTE)} MB beside its base\n`);
      expect(bytes - bare).toBeLessThan(OWN_LIMIT);
    }
    const ends = await verifyImages(docker, tag);
    expect([...ends.keys()]).toEqual([...SERVICES]);
    expect([...ends.values()].every(({ exitCode }) => exitCode === 0)).toBe(true);
  }, 1_200_000);
});
