import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { entityKey } from '@bulk/mongo';
import { ACCOUNT, InstallationUnderTest } from './installation-under-test.ts';
import { buildWith, followIn, readSteps } from './walk-through.ts';

const folder = join(workspaceRoot, '.stack', `walk-through-${randomBytes(4).toString('hex')}`);
const GUIDES = ['add-an-entity-type.md', 'add-an-action-type.md'];
const steps = GUIDES.flatMap((guide) =>
  readSteps(readFileSync(join(workspaceRoot, 'docs', 'guides', guide), 'utf8')),
);
let system: InstallationUnderTest;

beforeAll(async () => {
  const actions = followIn(folder, steps);
  const [intake, handler] = await Promise.all([
    buildWith('intake', folder, actions),
    buildWith('handler', folder, actions),
  ]);
  system = await InstallationUnderTest.start({}, { intake: [intake], handler: [handler] });
}, 120_000);
afterAll(async () => {
  await system.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('the walk-throughs of docs/guides, followed literally', () => {
  it('consist of a class or a folder, and one line each', () => {
    expect(steps.map(({ path, kind }) => [kind, path])).toEqual([
      ['file', 'libs/action-types/src/entity-types/deal/deal.ts'],
      ['diff', 'libs/action-types/src/catalog.ts'],
      ['file', 'libs/action-types/src/action-types/shout.ts'],
      ['diff', 'libs/action-types/src/catalog.ts'],
    ]);
  });

  it('compile under the rules of the workspace', async () => {
    const tsc = join(workspaceRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const check = promisify(execFile)(process.execPath, [tsc, '-p', folder]);
    await expect(check).resolves.toMatchObject({ stdout: '' });
  }, 60_000);

  it('add an entity type for every action type, with its own validation and indexes', async () => {
    const deals = system.database.entities('deals');
    const at = new Date(0);
    await deals.insertOne({
      _id: entityKey(ACCOUNT, 'd1'),
      accountId: ACCOUNT,
      id: 'd1',
      version: 1,
      title: 'Ten machines',
      createdAt: at,
      updatedAt: at,
    });
    const client = system.client();
    const { actionId } = await client.createAction({
      actionType: 'update',
      entityType: 'deal',
      entities: [
        { id: 'd1', amount: 70_000, stage: 'won' },
        { id: 'd2', stage: 'won' },
        { id: 'd3', stage: 'perhaps' },
      ],
    });
    await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
    const { entries } = await client.getLogs(actionId, {});
    expect(entries.map(({ code }) => code)).toEqual([null, 'ENTITY_NOT_FOUND', 'INVALID_ENTITY']);
    expect(await deals.findOne({ id: 'd1' })).toMatchObject({
      amount: 70_000,
      stage: 'won',
      title: 'Ten machines',
    });
    const indexes = await deals.indexes();
    expect(indexes.map(({ key }) => key as unknown)).toContainEqual({ accountId: 1, ownerId: 1 });
  }, 90_000);

  it('add an action type with its own config and outcomes', async () => {
    await system.givenContacts(new Map([['s1', { lastName: 'quiet' }]]));
    const client = system.client();
    const refused = client.createAction({ actionType: 'shout', config: {}, entities: [{ id: 's1' }] });
    await expect(refused).rejects.toMatchObject({ status: 400, code: 'INVALID_CONFIG' });
    const { actionId } = await client.createAction({
      actionType: 'shout',
      config: { field: 'lastName' },
      entities: [{ id: 's1', lastName: 'quiet' }, { id: 's2', lastName: 'gone' }, { id: 's3' }],
    });
    await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
    const { entries } = await client.getLogs(actionId, {});
    expect(entries.map(({ code }) => code)).toEqual([null, 'ENTITY_NOT_FOUND', 'NOTHING_TO_SHOUT']);
    expect((await system.storedContacts('s1')).get('s1')?.fields).toEqual({ lastName: 'QUIET' });
  }, 90_000);
});
