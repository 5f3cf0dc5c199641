import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { StackError } from '../errors.ts';

const required = 2 * 1024 ** 3;

/** Refuses to start on a nearly full disk: a broker that fills it damages its own log. */
export async function checkSpace(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < required) {
    const gigabytes = (free / 1024 ** 3).toFixed(1);
    throw new StackError(
      'NO_SPACE',
      `${folder} has ${gigabytes} GB free, and 2 GB are needed`,
      `npm run stack -- reset   # or free space elsewhere; du -xh --max-depth=2 ~ | sort -h | tail shows where it went`,
    );
  }
}
