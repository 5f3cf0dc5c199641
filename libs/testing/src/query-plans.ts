import type { Database } from '@bulk/mongo';
import { isIndexed } from './index-rules.ts';

type Command = Readonly<Record<string, unknown>>;

/** The fields of a command that belong to the connection and not to the question. */
const ENVELOPE = new Set([
  'lsid',
  '$db',
  '$readPreference',
  '$clusterTime',
  'txnNumber',
  'readConcern',
  'writeConcern',
]);

const COLLECTION_SCAN = /"COLLSCAN"/;
/** Matches the bounds of an index whose first field is not bounded. */
const WHOLE_INDEX = /"indexBounds":\{"[^"]+":\["\[(MinKey, MaxKey|MaxKey, MinKey)\]"\]/;

/** How the server executes a command, as far as it affects the cost. */
export interface ReadPlan {
  /** E.g. `find actions`. */
  readonly command: string;
  /** The indexes that are read, without repetitions. */
  readonly indexes: readonly string[];
  /** For each part of an index that is read, the bounds of its fields, e.g. `{ status: '["paused", "paused"]' }`. */
  readonly bounds: readonly Readonly<Record<string, string>>[];
  /** The stages of the plan, without repetitions: `COLLSCAN` and `SORT` grow with the collection. */
  readonly stages: readonly string[];
}

/** Matches the stages that find a single document by its id. */
const BY_ID = /"stage":"(IDHACK|EXPRESS_IXSCAN|EXPRESS_UPDATE)"/;

/** Records the commands that a database gets, and asks the database how it executes them. */
export class QueryPlans {
  readonly #commands = new Map<string, Command>();

  /** Records a command; pass it to `Database.connect`. */
  readonly record = (command: Command): void => {
    for (const question of questionsOf(command)) this.#commands.set(JSON.stringify(question), question);
  };

  /** The names of the recorded commands, without repetitions, e.g. `find actions`. */
  get recorded(): string[] {
    return [...new Set([...this.#commands.values()].map(nameOf))].sort();
  }

  /**
   * Returns the plans of the recorded commands, in the order in which each was first sent.
   *
   * @param database answers `explain`.
   * @returns undefined if the server does not plan as MongoDB does.
   */
  async reads(database: Database): Promise<ReadPlan[] | undefined> {
    if (!(await usesIndexForAPart(database))) return undefined;
    const plans: ReadPlan[] = [];
    for (const command of [...this.#commands.values()]) {
      plans.push(readPlanOf(command, await planOf(database, command)));
    }
    return plans;
  }

  /**
   * Returns the recorded commands that read a whole collection. Either no index can answer them by MongoDB's rules, or
   * the server reports a scan. That report counts only if its planner uses an index for a part of a filter as MongoDB's
   * does; that of SecantusDB's wheel does not.
   *
   * @param database answers `explain`.
   */
  async scans(database: Database): Promise<string[]> {
    const canPlan = await usesIndexForAPart(database);
    const found: string[] = [];
    // `explain` is recorded too if this is the recorded database.
    for (const [text, command] of [...this.#commands]) {
      const indexes = await database.db.collection(collectionOf(command)).indexes();
      if (!isIndexed(filterOf(command), indexes)) {
        found.push(`${text} → no index of ${JSON.stringify(indexes.map(({ key }) => key))} can answer it`);
      } else if (canPlan) {
        const plan = await planOf(database, command);
        if (COLLECTION_SCAN.test(plan) || WHOLE_INDEX.test(plan)) found.push(`${text} → ${plan}`);
      }
    }
    return found;
  }

  /**
   * Returns the index that each recorded command uses and the number of documents that it reads, as of now.
   *
   * @param database answers `explain`.
   */
  async indexUse(database: Database): Promise<IndexUse[]> {
    const counts = await countsDocuments(database);
    const found: IndexUse[] = [];
    for (const command of [...this.#commands.values()]) {
      const plan: unknown = await database.db.command({ explain: command, verbosity: 'executionStats' });
      found.push({
        command: nameOf(command),
        bounded: BY_ID.test(JSON.stringify(plan))
          ? ['_id']
          : boundedFields(valuesOf(valuesOf(plan, 'winningPlan')[0], 'indexBounds')[0]),
        documents: counts ? Math.max(0, ...valuesOf(plan, 'totalDocsExamined').map(Number)) : 0,
      });
    }
    return found;
  }
}

/** Returns whether the server counts the documents that a command reads, from a scan of a known number of them. */
async function countsDocuments(database: Database): Promise<boolean> {
  const probe = database.db.collection('query_counts_probe');
  await probe.deleteMany({});
  await probe.insertMany([{ a: 1 }, { a: 2 }, { a: 3 }]);
  const plan: unknown = await database.db.command({
    explain: { find: 'query_counts_probe', filter: { b: 1 } },
    verbosity: 'executionStats',
  });
  return Number(valuesOf(plan, 'totalDocsExamined')[0]) === 3;
}

/** Returns every value with this name in a plan, at any depth. */
function valuesOf(plan: unknown, name: string): unknown[] {
  if (typeof plan !== 'object' || plan === null) return [];
  return Object.entries(plan).flatMap(([key, value]) => [
    ...(key === name ? [value as unknown] : []),
    ...valuesOf(value, name),
  ]);
}

/** Returns the fields of an index, from the first on, whose values are bounded. */
function boundedFields(bounds: unknown): string[] {
  const fields = Object.entries((bounds ?? {}) as Readonly<Record<string, unknown>>);
  const end = fields.findIndex(([, ranges]) => /MinKey, MaxKey|MaxKey, MinKey/.test(JSON.stringify(ranges)));
  return fields.slice(0, end < 0 ? fields.length : end).map(([field]) => field);
}

/** How a server executes a command. */
export interface IndexUse {
  /** E.g. `find actions`. */
  readonly command: string;
  /** Fields of the index, from the first on, that the command bounds; none if it uses no index. */
  readonly bounded: readonly string[];
  /** Number of documents that the command reads; 0 if the server does not count them. */
  readonly documents: number;
}

type Stage = Readonly<Record<string, unknown>> & { readonly stage: string };

/** Returns the stages of the winning plan, from the outside in, without rejected plans. */
function stagesOf(plan: unknown): Stage[] {
  if (typeof plan !== 'object' || plan === null) return [];
  const inner = Object.entries(plan)
    .filter(([key]) => key !== 'rejectedPlans')
    .flatMap(([, value]) => stagesOf(value));
  return 'stage' in plan && typeof plan.stage === 'string' ? [plan as Stage, ...inner] : inner;
}

function readPlanOf(command: Command, explained: string): ReadPlan {
  const stages = stagesOf(JSON.parse(explained));
  const scans = stages.filter(({ indexName }) => typeof indexName === 'string');
  return {
    command: nameOf(command),
    indexes: [...new Set(scans.map(({ indexName }) => String(indexName)))],
    bounds: scans.map(({ indexBounds }) =>
      Object.fromEntries(
        Object.entries(indexBounds ?? {}).map(([field, bounds]) => [
          field,
          Array.isArray(bounds) ? bounds.join(' ') : JSON.stringify(bounds),
        ]),
      ),
    ),
    stages: [...new Set(stages.map(({ stage }) => stage))],
  };
}

/** Returns whether the server uses an index of `a` to find `{ a, b }`. */
async function usesIndexForAPart(database: Database): Promise<boolean> {
  const name = 'query_plans_probe';
  await database.db.collection(name).createIndex({ a: 1 });
  return !COLLECTION_SCAN.test(await planOf(database, { find: name, filter: { a: 1, b: 1 } }));
}

async function planOf(database: Database, command: Command): Promise<string> {
  return JSON.stringify(await database.db.command({ explain: command, verbosity: 'queryPlanner' }));
}

function collectionOf(command: Command): string {
  return String(Object.values(command)[0]);
}

/** Returns the filter of a command. */
function filterOf(command: Command): Command {
  const [statement] = (command['updates'] ?? command['deletes'] ?? []) as { q: Command }[];
  const [stage] = (command['pipeline'] ?? []) as { $match?: Command }[];
  return statement?.q ?? stage?.$match ?? ((command['filter'] ?? command['query'] ?? {}) as Command);
}

function nameOf(command: Command): string {
  return `${String(Object.keys(command)[0])} ${collectionOf(command)}`;
}

/** Returns one command for each of its statements, without the fields of the connection. */
function questionsOf(command: Command): Command[] {
  const [name] = Object.keys(command);
  const bare = Object.fromEntries(Object.entries(command).filter(([key]) => !ENVELOPE.has(key)));
  switch (name) {
    case 'find':
    case 'aggregate':
    case 'count':
    case 'distinct':
    case 'findAndModify':
      return [bare];
    case 'update':
      return (command['updates'] as Command[]).map((update) => ({ ...bare, updates: [update] }));
    case 'delete':
      return (command['deletes'] as Command[]).map((one) => ({ ...bare, deletes: [one] }));
    default:
      return [];
  }
}
