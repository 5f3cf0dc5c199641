import { setMaxListeners } from 'node:events';
import { afterAll, describe, expect, it } from '@jest/globals';
import { cacheFolder } from '@bulk/local-stack';
import { noteSkipped } from '@bulk/tools/skipped-checks';
import {
  buildImages,
  buildOfWorkspace,
  imageReference,
  IMAGES,
  openBuilder,
  verifyImages,
} from '@bulk/tools/images';
import { SERVICES } from '@bulk/tools';

// BULK_TEST_BASE_IMAGE and BULK_TEST_BUILD_NETWORK name the base and network for an existing
// engine. An engine that is started for this check is visible to no other one, and ends with it.
const { BULK_TEST_BASE_IMAGE: wished, BULK_TEST_BUILD_NETWORK: network } = process.env;
const MEGABYTE = 1e6;
/** Node alone has about 125 MB. */
const SIZE_LIMIT = 230 * MEGABYTE;
const GROUP = 'the images';
const TITLE =
  'are built small, have no shell and no package manager, and complete actions as an unprivileged user without write access';

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const ending = new AbortController();
setMaxListeners(0, ending.signal);
const builder = await openBuilder(
  { cache: cacheFolder(), env: process.env, log: say, signal: ending.signal },
  { base: wished, network },
);

describe(GROUP, () => {
  if (typeof builder === 'string') {
    noteSkipped({ name: `${GROUP} ${TITLE}`, reason: builder });
    it.todo(TITLE);
    return;
  }
  const { docker, base } = builder;
  const tag = `test-${process.pid}`;
  afterAll(async () => {
    await docker.must(['rmi', '--force', ...IMAGES.map((name) => imageReference(name, tag))]);
    await builder.close();
  });

  it(
    TITLE,
    async () => {
      const startedAt = performance.now();
      const build = await buildOfWorkspace(process.env);
      const sizes = await buildImages(docker, { base, tag, network: builder.network, build });
      say(`images: built in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
      for (const [name, bytes] of sizes) {
        say(`images: ${name} ${Math.round(bytes / MEGABYTE)} MB`);
        expect(bytes).toBeLessThan(SIZE_LIMIT);
      }
      // This also compares each image with the declared version of Node, its labels and
      // `bulk_build_info` with this build, and runs what deploy/compose.yaml runs.
      const { node, ends } = await verifyImages(docker, tag, { node: builder.node, build });
      say(`images: Node ${node}`);
      expect([...ends.keys()]).toEqual([...SERVICES]);
      expect([...ends.values()].every(({ exitCode }) => exitCode === 0)).toBe(true);
    },
    1_800_000,
  );
});
