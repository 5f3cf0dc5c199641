import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { AWAY, eventually, linkTo, TestInstallation } from '@bulk/testing';
import { mongoConfigSchema } from '../src/config.ts';
import { Database } from '../src/database.ts';

/** More than the buffers of both ends of a connection hold. */
const DOCUMENTS = Array.from({ length: 12 }, () => ({ text: 'x'.repeat(1_000_000) }));

let installation: TestInstallation;
beforeAll(async () => {
  installation = await TestInstallation.create('unfinished-writes');
});
afterAll(() => installation.dispose());

it.each(AWAY)(
  'a write that does not fit into the buffer of its socket ends when MongoDB is gone (%s)',
  async (away) => {
    const { link, env } = await linkTo('mongodb', installation.env);
    installation.onDispose(() => link.close());
    const config = loadConfig(mongoConfigSchema, { ...installation.env, ...env, MONGODB_TIMEOUT_MS: '500' });
    const database = await Database.connect('test', config);
    installation.onDispose(() => database.close());
    const texts = database.db.collection('texts');
    await texts.countDocuments();

    // Nothing passes, so the write waits in the middle.
    link.blackHole();
    let end: unknown;
    void texts.insertMany(DOCUMENTS).then(
      () => (end = 'written'),
      (error: unknown) => (end = error),
    );
    link[away]();
    await eventually('the write has ended', () => end !== undefined);
    expect(end).toBeInstanceOf(Error);
    link.restore();
  },
);
