import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact, createRegistry } from '@bulk/action-types';
import { changesOf, encodeEffect } from '@bulk/contracts';
import { parseEntityChanges, SupersededError, toEntity, type ChangesKept } from '@bulk/domain';
import { DryRunEntityStore, ensureIndexes, MongoEntityStore, type Database } from '@bulk/mongo';
import { connectRedis, FirstPositions } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import {
  modelAction,
  modelUndo,
  undoneOf,
  TestInstallation,
  type ModelEntity,
  type ModelledActionType,
  type ModelOutcome,
  type ModelResult,
  type ModelUndone,
} from '@bulk/testing';
import fc from 'fast-check';
import { BatchApplier, type BatchAt } from '../src/application/batch-applier.ts';
import { BatchProgress } from '../src/application/batch-progress.ts';
import { handlerConfigSchema } from '../src/config.ts';

let installation: TestInstallation;
let database: Database;
let applier: BatchApplier;
beforeAll(async () => {
  installation = await TestInstallation.create('handler-model');
  database = await installation.database();
  await ensureIndexes(database, [contact]);
  const redis = await connectRedis(loadConfig(handlerConfigSchema, installation.env), silentLogger());
  installation.onDispose(() => {
    redis.disconnect();
    return Promise.resolve();
  });
  applier = new BatchApplier({
    registry: createRegistry(),
    firstPositions: new FirstPositions(redis, installation.env['REDIS_PREFIX'] ?? '', 600),
    store: new MongoEntityStore(database),
    dryRunStore: new DryRunEntityStore(database),
    entityConcurrency: 4,
    changesMaxBytes: 16_384,
    now: () => new Date(),
    log: silentLogger(),
  });
});
afterAll(() => installation.dispose());

const ids = fc.constantFrom('c1', 'c2', 'c3');
/** Generates a value that is present in `present` of `of` cases. */
function sometimes<T>(present: number, of: number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  const absent = fc.constant(undefined);
  return fc.oneof({ weight: present, arbitrary: value }, { weight: of - present, arbitrary: absent });
}
const entity = fc
  .record({
    id: ids,
    lastName: sometimes(5, 6, fc.constantFrom('A', 'B', 'C')),
    city: sometimes(1, 3, fc.constantFrom('Bonn', null)),
    score: sometimes(1, 4, fc.constantFrom(1, 2, 3, 4, 5, 101)),
    expectedVersion: sometimes(2, 5, fc.constantFrom(1, 2, 3, 4, 5, 0)),
    increment: sometimes(1, 4, fc.record({ score: fc.constantFrom(-2, 0, 1, 40) })),
    addToList: sometimes(1, 4, fc.record({ tags: fc.constantFrom(['a'], ['a', 'b'], ['c', 'c']) })),
    removeFromList: sometimes(1, 8, fc.record({ tags: fc.constantFrom(['a'], ['b', 'c']) })),
    unset: sometimes(1, 12, fc.constant(['city'])),
  })
  .map((given) => JSON.parse(JSON.stringify(given)) as { readonly id: string });
/** A deletion has no fields. */
const bare = fc
  .record({ id: ids, expectedVersion: sometimes(1, 3, fc.constantFrom(1, 2, 3)) })
  .map((given) => JSON.parse(JSON.stringify(given)) as { readonly id: string });
/** Such a change is often without effect, because another one was made before. */
const tagged = fc
  .record({
    id: ids,
    addToList: fc.record({ tags: fc.constantFrom(['a'], ['b', 'a']) }),
    increment: sometimes(1, 3, fc.record({ score: fc.constantFrom(0, 1) })),
  })
  .map((given) => JSON.parse(JSON.stringify(given)) as { readonly id: string });
/** A deletion with fields is invalid, and therefore rare. */
const actionType = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom<ModelledActionType>('update', 'create', 'upsert') },
  { weight: 1, arbitrary: fc.constant<ModelledActionType>('delete') },
);
const batch = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ actionType, entities: fc.array(entity, { minLength: 1, maxLength: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      actionType: fc.constantFrom<ModelledActionType>('update', 'upsert'),
      entities: fc.array(tagged, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      actionType: fc.constant<ModelledActionType>('delete'),
      entities: fc.array(bare, { minLength: 1, maxLength: 2 }),
    }),
  },
);
/** A batch, what its action keeps, an earlier batch that comes late, and perhaps an earlier one that is undone. */
const step = fc.tuple(
  batch,
  fc.constantFrom<ChangesKept>('none', 'values', 'values'),
  fc.nat(20),
  sometimes(2, 3, fc.constantFrom(0, 0, 0, 1, 2)),
);
const batches = fc.array(step, { minLength: 12, maxLength: 20, size: 'max' });

/** Counts what happened in all runs, so that a test notices a generator without effect. */
const happened = new Map<string, number>();
const EVERYTHING = [
  ...['update', 'upsert'].flatMap((type) => [`${type} updated`, `${type} unchanged`]),
  'create created',
  'upsert created',
  'delete deleted',
  ...['update', 'create', 'upsert', 'delete'].flatMap((type) => [
    `${type} INVALID_ENTITY`,
    `${type} DUPLICATE_ENTITY`,
  ]),
  ...['update', 'delete'].map((type) => `${type} ENTITY_NOT_FOUND`),
  ...['update', 'upsert', 'delete'].map((type) => `${type} VERSION_CONFLICT`),
  ...['create', 'upsert'].map((type) => `${type} revives`),
  'create ENTITY_EXISTS',
  ...['created', 'updated', 'deleted', 'CHANGED_SINCE'].map((what) => `undo ${what}`),
  'superseded',
].sort();
function note(what: string): void {
  happened.set(what, (happened.get(what) ?? 0) + 1);
}

describe('the batches of a lane', () => {
  it('match the sequential model, however they are predicted, redelivered and delivered late', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (given) => {
        const accountId = `a-${randomUUID()}`;
        const applied: Applied[] = [];
        let model: ReadonlyMap<string, ModelEntity> = new Map();
        const undoable: ModelUndone[][] = [];
        for (const [i, [{ actionType: type, entities }, kept, zombie, undone]] of given.entries()) {
          // Between two batches there may be an undo and its replay.
          const offset = 3 * i;
          const at = batchAt(accountId, offset, type, entities, kept);
          const expected = modelAction(type, contact, model, entities, {}, kept === 'values');
          for (const { code, effect } of expected.outcomes) note(`${type} ${code ?? effect}`);
          for (const [id, { fields }] of expected.entities)
            if (fields !== null && model.get(id)?.fields === null) note(`${type} revives`);
          const before = await stored(accountId);

          const foretold = await outcomesOf(dry(at));
          expect(foretold).toEqual(withChanges({ ...expected, outcomes: predicted(expected, model) }, kept));
          expect(await stored(accountId)).toEqual(before);

          const outcomes = withChanges(expected, kept);
          expect(await outcomesOf(at)).toEqual(outcomes);
          model = expected.entities;
          const after = await stored(accountId);
          expect(fieldsOf(after)).toEqual(model);
          checkVersions(at, model);

          expect(await outcomesOf(at)).toEqual(outcomes);
          checkVersions(at, model);
          applied.push({ at, outcomes });
          if (kept === 'values') undoable.unshift(undoneOf(expected));
          await applyLate(applied[zombie % applied.length]!);
          expect(await stored(accountId)).toEqual(after);
          const rows = undone === undefined ? undefined : undoable[undone];
          if (rows === undefined || rows.length === 0) continue;
          model = await checkUndo(batchAt(accountId, offset + 1, 'undo', rows, 'values'), rows, model);
        }
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect([...happened.keys()].sort()).toEqual(EVERYTHING);
  }, 240_000);
});

function batchAt(
  accountId: string,
  offset: number,
  actionType: string,
  entities: readonly { readonly id: string }[],
  changes: ChangesKept,
): BatchAt {
  return {
    content: {
      identity: { actionId: randomUUID(), accountId, actionType, entityType: 'contact', lane: 'normal' },
      config: {},
      dryRun: false,
      cancelled: false,
      retry: null,
      rootActionId: null,
      changes,
      batchNo: 0,
      entities: entities.map((given, position) => toEntity(position, given)),
    },
    at: { lane: 'normal', partition: 0, offset },
    generation: 0,
    policy: { maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 1 },
    overtaken: false,
    progress: new BatchProgress(),
  };
}

/** Undoes a batch, and delivers the undo again in its place and in another one. */
async function checkUndo(
  at: BatchAt,
  rows: readonly ModelUndone[],
  before: ReadonlyMap<string, ModelEntity>,
): Promise<ReadonlyMap<string, ModelEntity>> {
  const expected = modelUndo(before, rows);
  for (const { code, effect } of expected.outcomes) note(`undo ${code ?? effect}`);
  const outcomes = withChanges(expected, 'values');
  const replay = { ...at, generation: 1, at: { ...at.at, offset: at.at.offset + 1 } };
  for (const delivery of [dry(at), at, at, replay]) {
    expect(await outcomesOf(delivery)).toEqual(outcomes);
    const now = fieldsOf(await stored(at.content.identity.accountId));
    expect(now).toEqual(delivery.content.dryRun ? before : expected.entities);
  }
  return expected.entities;
}

/** Adds what the outcomes of an action keep of its changes. */
function withChanges({ outcomes, changes }: ModelResult<ModelEntity>, kept: ChangesKept): KeptOutcome[] {
  return outcomes.map((outcome) => ({
    ...outcome,
    changes: kept === 'none' ? null : (changes.get(outcome.position) ?? null),
  }));
}

type KeptOutcome = ModelOutcome & { readonly changes: unknown };

function dry(batchAt: BatchAt): BatchAt {
  const identity = { ...batchAt.content.identity, actionId: randomUUID() };
  return { ...batchAt, content: { ...batchAt.content, identity, dryRun: true } };
}

async function outcomesOf(at: BatchAt): Promise<unknown> {
  const applied = await applier.apply({ ...at, progress: new BatchProgress() });
  if (applied.kind !== 'settled') return applied.kind;
  return applied.outcomes.map(({ position, entityId, outcome }) => {
    const { status, code } = outcome;
    const { effect, version } = encodeEffect(outcome);
    if (version !== null) versions.set(`${at.content.identity.actionId} ${entityId}`, version);
    const changes = changesOf(outcome);
    return {
      position,
      entityId,
      status,
      code,
      effect,
      changes: parseEntityChanges(changes ?? 'null') ?? null,
    };
  });
}

/** Action and entity → the version that the last outcome named. */
const versions = new Map<string, number>();

/** A dry run reads every entity, so it also says which of the fields to set have their values already. */
function predicted(
  { outcomes, entities }: ModelResult<ModelEntity>,
  before: ReadonlyMap<string, ModelEntity>,
): ModelOutcome[] {
  return outcomes.map((outcome) => {
    const [old, now] = [before.get(outcome.entityId)?.fields, entities.get(outcome.entityId)?.fields];
    const isSame = outcome.effect === 'updated' && isDeepStrictEqual(old, now);
    return isSame ? { ...outcome, effect: 'unchanged' } : outcome;
  });
}

/** Checks the versions that outcomes of a batch named against the entities as they are stored after it. */
function checkVersions({ content }: BatchAt, entities: ReadonlyMap<string, ModelEntity>): void {
  for (const { id } of content.entities) {
    const named = versions.get(`${content.identity.actionId} ${id}`);
    if (named !== undefined) expect(named).toBe(entities.get(id)?.version);
  }
}

interface Applied {
  readonly at: BatchAt;
  readonly outcomes: readonly KeptOutcome[];
}

/**
 * Applies a batch late, as a handler does after a stall: it is superseded, or nothing has changed
 * for its entities since.
 */
async function applyLate({ at, outcomes }: Applied): Promise<void> {
  try {
    expect(await outcomesOf(at)).toEqual(outcomes);
  } catch (error) {
    if (!(error instanceof SupersededError)) throw error;
    note('superseded');
  }
}

type Stored = Awaited<ReturnType<typeof stored>>;
const stored = (accountId: string) =>
  database
    .entities('contacts')
    .find({ _id: { $gte: `${accountId}:`, $lt: `${accountId};` } })
    .sort({ _id: 1 })
    .toArray();

function fieldsOf(documents: Stored): ReadonlyMap<string, ModelEntity> {
  return new Map(
    documents.map((document) => {
      const own = Object.entries(document).filter(([name]) =>
        Object.hasOwn(contact.recordSchema.shape, name),
      );
      const fields = document.deletedAt === undefined ? Object.fromEntries(own) : null;
      if (fields === null) expect(own).toEqual([]);
      return [document.id, { version: document.version, fields }];
    }),
  );
}
