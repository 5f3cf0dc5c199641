import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Environment } from '../src/env.ts';
import { cacheFolder } from '../src/paths.ts';
import { pollUntil } from '../src/poll.ts';
import { buildMongoInBackground } from '../src/provision/background-build.ts';
import { findSecantusRust } from '../src/provision/secantus.ts';

/** A compiler that "builds" a server which only knows its version. */
const CARGO = `#!/bin/sh
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin"
printf '#!/bin/sh\\necho 0.0.0\\n' > "$2/bin/secantusd-rs"
chmod +x "$2/bin/secantusd-rs"
`;

let folder: string;
let env: Environment;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'background-build-'));
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  for (const name of ['cargo', 'cc', 'clang', 'cmake', 'pkg-config']) {
    writeFileSync(join(tools, name), CARGO);
    chmodSync(join(tools, name), 0o755);
  }
  const path = [tools, dirname(process.execPath), process.env['PATH']].join(delimiter);
  env = { ...process.env, PATH: path, XDG_CACHE_HOME: join(folder, 'cache'), CI: '' };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const find = (): Promise<string | undefined> =>
  findSecantusRust({ cache: cacheFolder(env), env, log: () => undefined });

describe('buildMongoInBackground', () => {
  it('builds the fast engine in a separate process, once', async () => {
    const build = await buildMongoInBackground(env);
    expect(build?.pid).toBeGreaterThan(0);
    expect(await buildMongoInBackground(env)).toBeUndefined();
    await pollUntil(
      async () => {
        expect(await find()).toContain('secantusd-rs');
        expect(readFileSync(build!.log, 'utf8')).toContain('mongo: built');
      },
      { timeoutMs: 60_000 },
    );
    expect(await buildMongoInBackground(env)).toBeUndefined();
  });

  it.each([
    ['in continuous integration', { CI: 'true' }],
    ['if the user forbids it', { STACK_BACKGROUND_BUILD: 'false' }],
  ])('starts nothing %s', async (_when, given) => {
    expect(await buildMongoInBackground({ ...env, ...given })).toBeUndefined();
    expect(await find()).toBeUndefined();
  });
});
