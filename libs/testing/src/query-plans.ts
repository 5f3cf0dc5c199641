import type { Database } from '@bulk/mongo';
import { isIndexed } from './index-rules.ts';

type Command = Readonly<Record<string, unknown>>;

/** What belongs to the connection and not to the question. */
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
/** The bounds of an index whose first field may be anything. */
const WHOLE_INDEX = /"indexBounds":\{"[^"]+":\["\[(MinKey, MaxKey|MaxKey, MinKey)\]"\]/;

/** How the server carries out a command, as far as its cost is concerned. */
export interface ReadPlan {
  /** E.g. `find actions`. */
  readonly command: string;
  /** The indexes that are read, each once. */
  readonly indexes: readonly string[];
  /** For each part of an index that is read, the bounds of its fields, e.g. `{ status: '["paused", "paused"]' }`. */
  readonly bounds: readonly Readonly<Record<string, string>>[];
  /** The stages of the plan, each once: `COLLSCAN` and `SORT` grow with the collection. */
  readonly stages: readonly string[];
}

/** Stages that look a single document up by its id. */
const BY_ID = /"stage":"(IDHACK|EXPRESS_IXSCAN|EXPRESS_UPDATE)"/;

/** Records the commands that a database is sent, and asks it how it carries them out. */
export class QueryPlans {
  readonly #commands = new Map<string, Command>();

  /** To be given to `Database.connect`. */
  readonly record = (command: Command): void => {
    for (const question of questionsOf(command)) this.#commands.set(JSON.stringify(question), question);
  };

  /** Names of the commands that were recorded, each once, e.g. `find actions`. */
  get recorded(): string[] {
    return [...new Set([...this.#commands.values()].map(nameOf))].sort();
  }

  /**
   * The plans of the recorded commands, in the order in which each was first sent.
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
   * The recorded commands that read a whole collection: no index of it can answer them by MongoDB's rules, or the server says
   * that it scans, where its planner uses an index for a part of a filter as MongoDB's does (that of SecantusDB's wheel
   * does not).
   *
   * @param database answers `explain`.
   */
  async scans(database: Database): Promise<string[]> {
    const canPlan = await usesIndexForAPart(database);
    const found: string[] = [];
    // Explaining is recorded too, should this be the recorded database.
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
   * The index that each recorded command uses and the number of documents that it reads, as of now.
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

/** Whether the server counts the documents that a command reads: it does for a scan of a known number of them. */
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

/** Everything that has this name in a plan, at whatever depth. */
function valuesOf(plan: unknown, name: string): unknown[] {
  if (typeof plan !== 'object' || plan === null) return [];
  return Object.entries(plan).flatMap(([key, value]) => [
    ...(key === name ? [value as unknown] : []),
    ...valuesOf(value, name),
  ]);
}

/** Fields of an index, from the first on, of which not every value is looked at. */
function boundedFields(bounds: unknown): string[] {
  const fields = Object.entries((bounds ?? {}) as Readonly<Record<string, unknown>>);
  const end = fields.findIndex(([, ranges]) => /MinKey, MaxKey|MaxKey, MinKey/.test(JSON.stringify(ranges)));
  return fields.slice(0, end < 0 ? fields.length : end).map(([field]) => field);
}

/** How a server carries out a command. */
export interface IndexUse {
  /** E.g. `find actions`. */
  readonly command: string;
  /** Fields of the index, from the first on, that the command bounds; none where no index is used. */
  readonly bounded: readonly string[];
  /** Documents that the command reads; 0 where the server does not count them. */
  readonly documents: number;
}

type Stage = Readonly<Record<string, unknown>> & { readonly stage: string };

/** The stages of a plan that was chosen, from the outside in; the plans that were rejected are left out. */
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

/** Whether the server would look up `{ a, b }` in an index of `a`. */
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

/** What a command asks for. */
function filterOf(command: Command): Command {
  const [statement] = (command['updates'] ?? command['deletes'] ?? []) as { q: Command }[];
  const [stage] = (command['pipeline'] ?? []) as { $match?: Command }[];
  return statement?.q ?? stage?.$match ?? ((command['filter'] ?? command['query'] ?? {}) as Command);
}

function nameOf(command: Command): string {
  return `${String(Object.keys(command)[0])} ${collectionOf(command)}`;
}

/** One command for each of its statements, without what belongs to the connection. */
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
