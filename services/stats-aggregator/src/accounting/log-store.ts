import { MalformedMessageError, resultIdOf } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import {
  insertLogs,
  stored,
  type ActionLogDocument,
  type Database,
  type ReplacedOutcomes,
  type ResultSource,
} from '@bulk/mongo';
import type { Filter } from 'mongodb';
import type { BatchLog } from './batch-log.ts';
import { latestSettled, type Applied, type LoggedVersion } from './counting.ts';
import { countableVersions, toDocument, versionsOf, withVersions } from './log-document.ts';

/**
 * Thrown when other instances keep changing the log of the same batch. Transient: it ends once the
 * partition has one owner.
 */
export class LogContendedError extends CodedError {
  constructor(id: string) {
    super('LOG_CONTENDED', `the log of batch ${id} keeps changing`, { retryable: true });
  }
}

const MAX_ROUNDS = 5;

/** Stores the logs of actions in MongoDB, one per batch. */
export class LogStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Stores the logs whose batch has none yet, and replaces those of a lower generation. Idempotent.
   *
   * @param appliedOf returns what is counted of an action, at least. Versions that were replaced
   * before that are dropped.
   * @returns for each log, the stored versions of its batch. The log itself is among them unless it
   * is a repetition.
   * @throws MalformedMessageError for a replacement with other positions than what it replaces;
   * StoreError; LogContendedError.
   */
  async store(
    logs: readonly BatchLog[],
    appliedOf: (actionId: string) => Applied = () => ({}),
  ): Promise<(readonly LoggedVersion[])[]> {
    const documents = logs.map(toDocument);
    const taken = new Set(await insertLogs(this.#database, documents));
    const found = await this.#find([...taken]);
    for (const [i, document] of documents.entries()) {
      if (!taken.has(document._id)) continue;
      const there = found.get(document._id);
      if (there === undefined) throw new LogContendedError(document._id);
      if (generationOf(there) >= generationOf(document)) continue;
      const applied = appliedOf(logs[i]?.actionId ?? '');
      found.set(document._id, await this.#replace(there, document, applied));
    }
    return documents.map((document) => countableVersions(found.get(document._id) ?? document));
  }

  /**
   * Removes what this very message has stored, and restores what it had replaced. Idempotent.
   *
   * The outcomes that the batch has from other messages stay.
   *
   * @throws StoreError; LogContendedError.
   */
  async remove({
    actionId,
    batchNo,
    source,
  }: Pick<BatchLog, 'actionId' | 'batchNo' | 'source'>): Promise<void> {
    const { actionLogs } = this.#database;
    const _id = resultIdOf(actionId, batchNo);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const there = await stored(actionLogs.findOne({ _id }));
      if (there === null) return;
      const versions = versionsOf(there);
      const left = versions.filter((version) => !isSame(version.source, source));
      if (left.length === versions.length) return;
      if (await this.#reduce(there, left)) return;
    }
    throw new LogContendedError(_id);
  }

  /** @returns `false` if the log has changed in the meantime. */
  async #reduce(there: ActionLogDocument, left: readonly ReplacedOutcomes[]): Promise<boolean> {
    const { actionLogs } = this.#database;
    const last = left.at(-1);
    if (last === undefined) {
      return (await stored(actionLogs.deleteOne(unchanged(there)))).deletedCount === 1;
    }
    const after = withVersions(there, left.slice(0, -1), last);
    return (await stored(actionLogs.replaceOne(unchanged(there), after))).matchedCount === 1;
  }

  async #replace(
    before: ActionLogDocument,
    replacement: ActionLogDocument,
    applied: Applied,
  ): Promise<ActionLogDocument> {
    const { actionLogs } = this.#database;
    let there: ActionLogDocument | null = before;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (generationOf(there) >= generationOf(replacement)) return there;
      checkPositions(there, replacement);
      const after = { ...replacement, replaced: uncounted(versionsOf(there), applied) };
      const { matchedCount } = await stored(actionLogs.replaceOne(unchanged(there), after));
      if (matchedCount === 1) return after;
      there = await stored(actionLogs.findOne({ _id: replacement._id }));
      if (there === null) break;
    }
    throw new LogContendedError(replacement._id);
  }

  /**
   * Reads logs with their outcomes, from which the counts follow. They are few, because counted
   * ones are not searched.
   */
  async #find(ids: readonly string[]): Promise<Map<string, ActionLogDocument>> {
    if (ids.length === 0) return new Map();
    const found = await stored(this.#database.actionLogs.find({ _id: { $in: [...ids] } }).toArray());
    return new Map(found.map((document) => [document._id, document]));
  }
}

function isSame(a: ResultSource, b: ResultSource): boolean {
  return a.partition === b.partition && a.offset === b.offset;
}

function generationOf({ generation = 0 }: ActionLogDocument): number {
  return generation;
}

/** Matches a log as long as it has the same versions. */
function unchanged({ _id, source, replaced }: ActionLogDocument): Filter<ActionLogDocument> {
  return {
    _id,
    'source.partition': source.partition,
    'source.offset': source.offset,
    replaced: replaced === undefined ? { $exists: false } : { $size: replaced.length },
  };
}

/** Returns the version that the counts hold, and all later ones. */
function uncounted<T extends Pick<LoggedVersion, 'source'>>(versions: readonly T[], applied: Applied): T[] {
  const counted = latestSettled(versions, applied);
  return versions.slice(counted === undefined ? 0 : versions.indexOf(counted));
}

function checkPositions(there: ActionLogDocument, replacement: ActionLogDocument): void {
  const same =
    there.outcomes.length === replacement.outcomes.length &&
    there.outcomes.every(({ position }, i) => position === replacement.outcomes[i]?.position);
  if (same) return;
  throw new MalformedMessageError(
    `batch ${there._id} has outcomes for ${there.outcomes.length} positions from ${there.firstPosition} to ${there.lastPosition}, generation ${generationOf(replacement)} names others`,
  );
}
