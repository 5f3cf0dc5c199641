import type { Database } from '@bulk/mongo';

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
   * The recorded commands that read a whole collection: by a collection scan, or by an index from end to end.
   *
   * @param database answers `explain`.
   */
  async scans(database: Database): Promise<string[]> {
    const found: string[] = [];
    // Explaining is recorded too, should this be the recorded database.
    for (const [text, command] of [...this.#commands]) {
      const plan = JSON.stringify(await database.db.command({ explain: command, verbosity: 'queryPlanner' }));
      if (COLLECTION_SCAN.test(plan) || WHOLE_INDEX.test(plan)) found.push(`${text} → ${plan}`);
    }
    return found;
  }
}

function nameOf(command: Command): string {
  const [name, collection] = Object.entries(command)[0] ?? [];
  return `${String(name)} ${String(collection)}`;
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
