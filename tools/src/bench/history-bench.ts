import { listActionsQuerySchema, logsQuerySchema } from '@bulk/contracts';
import { loadEnv, workspaceRoot } from '@bulk/local-stack';
import { ensureIndexes, type ActionDocument, type ActionLogDocument, type Database } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { randomUUID } from 'node:crypto';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { openDatabase } from '../installation/database.ts';
import {
  endedOf,
  insertCopies,
  logOf,
  stageTemplates,
  timeOrderedId,
  type Templates,
} from './history-documents.ts';
import { emptyStack, mongoEngine, type StackOption } from './installation.ts';
import { loadIntakeParts, type IntakeParts } from './intake-parts.ts';

const ACCOUNT = 'bench';
const PARTITIONS = 12;
const HOUR_MS = 3_600_000;
/** Number of actions of the account whose list is measured. */
const OWN = 200;
/** Number of actions that are due and wait for a claim. */
const DUE = 20;
/** Number of ended actions that each clean-up round finds. */
const TO_CLEAN = 20;
/** Number of logs of the action whose logs are measured. Each has 100 outcomes. */
const LOGS = 120;
const WARM_UP = 5;

export interface HistoryOptions extends StackOption {
  readonly scheduled: number;
  readonly ended: number;
  readonly paused: number;
  /** Number of accounts that share the history. */
  readonly accounts: number;
  /** Whether the history belongs to the account whose list is measured. */
  readonly own: boolean;
  /** Number of measurements of each kind of work. */
  readonly runs: number;
}

/** A piece of work, measured one run at a time. */
interface Work {
  readonly name: string;
  readonly prepare?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  readonly restore?: () => Promise<unknown>;
}

interface Bench {
  readonly database: Database;
  readonly parts: IntakeParts;
  readonly templates: Templates;
  readonly signal: AbortSignal;
}

/**
 * Measures whether the cost of intake's regular work grows with the number of scheduled, ended and
 * paused actions.
 */
export async function benchHistory(options: HistoryOptions, context: CommandContext): Promise<void> {
  const { signal, releasers } = context;
  const screen = new Screen(process.stdout);
  const given = loadEnv();
  const { env, engine } = given['MONGODB_URI']
    ? { env: given, engine: 'that of MONGODB_URI' }
    : await ownStack(screen, options, context);
  const database = await openDatabase('bench', {
    ...env,
    MONGODB_DATABASE: `bench_history_${randomUUID().slice(0, 8)}`,
  });
  releasers.push('database', async () => {
    await database.db.dropDatabase();
    await database.close();
  });
  await ensureIndexes(database, []);
  const parts = await loadIntakeParts(workspaceRoot);
  const bench: Bench = {
    database,
    parts,
    templates: await stageTemplates(database, parts, silentLogger()),
    signal,
  };
  const work = await givenWork(bench);
  const without = await screen.step(
    'without',
    () => measure(work, options.runs, signal),
    () => 'measured without history',
  );
  await screen.step(
    'history',
    () => insertHistory(bench, options),
    () => historyOf(options),
  );
  const beside = await screen.step(
    'with',
    () => measure(work, options.runs, signal),
    () => 'measured with it',
  );
  screen.line();
  screen.labelled('MongoDB', engine);
  for (const { name } of work) {
    const [before, after] = [without.get(name) ?? Number.NaN, beside.get(name) ?? Number.NaN];
    screen.labelled(
      name,
      `${before.toFixed(2)} ms without, ${after.toFixed(2)} ms with history, ${(after / before).toFixed(2)}×`,
    );
  }
}

async function ownStack(
  screen: Screen,
  options: HistoryOptions,
  context: CommandContext,
): Promise<{ env: Record<string, string>; engine: string }> {
  const stack = await emptyStack(screen, options, context);
  return { env: { MONGODB_URI: stack.urls.mongodbUri }, engine: await mongoEngine(stack) };
}

/** Stores what the work needs, with or without a history. */
async function givenWork({ database, parts, templates, signal }: Bench): Promise<Work[]> {
  const now = (): Date => new Date();
  const insertActions = (count: number, copy: (i: number) => ActionDocument): Promise<void> =>
    insertCopies((documents) => database.actions.insertMany(documents), count, copy, signal);
  await insertActions(OWN, () => ({
    ...endedOf(templates.due, now(), true),
    _id: timeOrderedId(),
    accountId: ACCOUNT,
  }));
  await insertActions(DUE, (i) => ({ ...templates.due, _id: timeOrderedId(), accountId: `due-${i}` }));
  const logged = {
    ...endedOf(templates.due, now(), true),
    _id: timeOrderedId(),
    accountId: 'logged',
    total: LOGS * 100,
  };
  const counted = {
    ...logged,
    counts: { success: logged.total - PARTITIONS, failure: PARTITIONS, skipped: 0 },
  };
  await database.actions.insertOne(counted);
  await database.actionLogs.insertMany(
    Array.from({ length: LOGS }, (_, i) => logOf(counted._id, i, 100, PARTITIONS)),
  );

  const store = new parts.ActionStore(database);
  const logs = new parts.LogReader(database, PARTITIONS);
  const dispatch = new parts.DispatchStore(database, 60_000, now);
  const janitor = new parts.Janitor(
    database,
    { stagingTimeoutMs: HOUR_MS, stagedRetentionMs: HOUR_MS, lateWriteMs: 1_000, now },
    silentLogger(),
  );
  let claimed: { readonly id: string; readonly owner: string } | undefined;
  const toClean = async (): Promise<void> => {
    const copies = Array.from({ length: TO_CLEAN }, () => ({
      ...endedOf(templates.due, new Date(Date.now() - 2 * HOUR_MS), false),
      _id: timeOrderedId(),
      accountId: 'cleaned',
    }));
    await database.actions.insertMany(copies);
    await database.stagedBatches.insertMany(
      copies.map(({ _id: actionId }) => ({
        _id: `${actionId}:0`,
        actionId,
        batchNo: 0,
        partition: 0,
        entities: [],
      })),
    );
  };
  return [
    { name: 'look', run: () => dispatch.findDue() },
    {
      name: 'claim',
      run: async () => {
        const owner = randomUUID();
        const action = await dispatch.claim(owner);
        claimed = action === undefined ? undefined : { id: action._id, owner };
      },
      restore: async () => {
        if (claimed !== undefined) await dispatch.release(claimed.id, claimed.owner);
      },
    },
    {
      name: 'clean-up',
      prepare: toClean,
      run: () => janitor.sweep(),
      restore: () => database.actions.deleteMany({ accountId: 'cleaned' }),
    },
    { name: 'list', run: () => store.list(ACCOUNT, listActionsQuerySchema.parse({})) },
    { name: 'logs', run: () => logs.page(counted, logsQuerySchema.parse({ type: 'failure' })) },
  ];
}

async function insertHistory({ database, templates, signal }: Bench, options: HistoryOptions): Promise<void> {
  const accountOf = (i: number): string => (options.own ? ACCOUNT : `account-${i % options.accounts}`);
  const insert = (count: number, copy: (i: number) => ActionDocument): Promise<void> =>
    insertCopies<ActionDocument>(
      (documents) => database.actions.insertMany(documents, { ordered: false }),
      count,
      (i) => ({ ...copy(i), _id: timeOrderedId(), accountId: accountOf(i) }),
      signal,
    );
  const endedIds: string[] = [];
  await insert(options.scheduled, () => templates.scheduled);
  await insert(options.paused, () => templates.paused);
  for (let i = 0; i < options.ended; i += 1) endedIds.push(timeOrderedId());
  await insertCopies(
    (documents: ActionDocument[]) => database.actions.insertMany(documents, { ordered: false }),
    options.ended,
    (i) => ({
      // Half of the actions are kept for a retry, as staged batches are for a while.
      ...endedOf(templates.due, new Date(Date.now() - (i % 2) * 48 * HOUR_MS), i % 2 === 1),
      _id: endedIds[i] ?? timeOrderedId(),
      accountId: accountOf(i),
    }),
    signal,
  );
  await insertCopies<ActionLogDocument>(
    (documents) => database.actionLogs.insertMany(documents, { ordered: false }),
    options.ended,
    (i) => logOf(endedIds[i] ?? timeOrderedId(), 0, 3, PARTITIONS),
    signal,
  );
}

function historyOf({ scheduled, ended, paused, accounts, own }: HistoryOptions): string {
  const whose = own ? 'of the account whose list is measured' : `of ${thousands(accounts)} other accounts`;
  return `${thousands(scheduled)} scheduled, ${thousands(ended)} ended, ${thousands(paused)} paused actions ${whose}`;
}

/** @returns the median of each piece of work, in ms. */
async function measure(
  work: readonly Work[],
  runs: number,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const medians = new Map<string, number>();
  for (const { name, prepare, run, restore } of work) {
    const times: number[] = [];
    for (let i = 0; i < WARM_UP + runs; i += 1) {
      signal.throwIfAborted();
      await prepare?.();
      const startedAt = performance.now();
      await run();
      if (i >= WARM_UP) times.push(performance.now() - startedAt);
      await restore?.();
    }
    times.sort((a, b) => a - b);
    medians.set(name, times[Math.floor(times.length / 2)] ?? Number.NaN);
  }
  return medians;
}
