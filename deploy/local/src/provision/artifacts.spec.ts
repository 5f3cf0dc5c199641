import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { provideFolder, sha256, verifyPinned } from './artifacts.ts';
import type { ProvisionContext } from './tools.ts';

describe('the download cache', () => {
  let cache: string;
  let context: ProvisionContext;
  let fills: number;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'stack-cache-'));
    context = { cache, env: {}, log: () => undefined };
    fills = 0;
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  const fill = (folder: string): Promise<void> => {
    fills++;
    writeFileSync(join(folder, 'jar'), 'content');
    return Promise.resolve();
  };

  it('downloads once', async () => {
    const first = await provideFolder(context, { name: 'tool', fill });
    expect(await provideFolder(context, { name: 'tool', fill })).toBe(first);
    expect(fills).toBe(1);
  });

  it('downloads a file again that was altered since', async () => {
    const folder = await provideFolder(context, { name: 'tool', fill });
    writeFileSync(join(folder, 'jar'), 'contenT');
    await provideFolder(context, { name: 'tool', fill });
    expect(fills).toBe(2);
    expect(readFileSync(join(folder, 'jar'), 'utf8')).toBe('content');
  });

  it('keeps nothing of a failed download', async () => {
    const broken = async (folder: string): Promise<void> => {
      await fill(folder);
      throw new Error('line cut');
    };
    await expect(provideFolder(context, { name: 'tool', fill: broken })).rejects.toThrow('line cut');
    expect(readdirSync(cache)).toEqual([]);
  });

  it('accepts pinned files and refuses altered, missing or additional ones', async () => {
    const folder = join(cache, 'plain');
    mkdirSync(folder);
    await fill(folder);
    const pins = join(cache, 'pins.sha256');
    writeFileSync(pins, `${await sha256(join(folder, 'jar'))}  jar\n`);
    await verifyPinned(folder, pins);

    writeFileSync(join(folder, 'more'), '');
    await expect(verifyPinned(folder, pins)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    rmSync(join(folder, 'more'));
    writeFileSync(join(folder, 'jar'), 'altered');
    await expect(verifyPinned(folder, pins)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    rmSync(join(folder, 'jar'));
    await expect(verifyPinned(folder, pins)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });
});
