import { resultIdOf } from '@bulk/contracts';
import { success, tally, type Outcome } from '@bulk/domain';
import type { ActionLogDocument, LoggedOutcome, ReplacedOutcomes } from '@bulk/mongo';
import type { BatchLog } from './batch-log.ts';
import type { LoggedVersion } from './counting.ts';

/** Builds the document of a log whose batch has none yet. */
export function toDocument(log: BatchLog): ActionLogDocument {
  const { success, failure, skipped } = log.tally;
  return {
    _id: resultIdOf(log.actionId, log.batchNo),
    actionId: log.actionId,
    batchNo: log.batchNo,
    partition: log.lanePartition,
    firstPosition: log.outcomes[0]?.position ?? 0,
    lastPosition: log.outcomes.at(-1)?.position ?? 0,
    counts: { success, failure, skipped },
    outcomes: log.outcomes.map(({ position, entityId, ref, outcome, attempts }) => ({
      position,
      entityId,
      ref,
      status: outcome.status,
      code: outcome.code,
      message: outcome.message,
      attempts,
      ...effectOf(outcome),
    })),
    source: log.source,
    at: log.at,
    ...(log.generation === 0 ? {} : { generation: log.generation }),
  };
}

/** Returns what a log keeps of a success; nothing for what is unknown, so that most entries stay small. */
function effectOf(outcome: Outcome): Pick<LoggedOutcome, 'effect' | 'version' | 'changes'> {
  if (outcome.status !== 'success') return {};
  const { effect, version, changes } = outcome;
  return {
    ...(effect === undefined ? {} : { effect }),
    ...(version === undefined ? {} : { version }),
    ...(changes === undefined ? {} : { changes }),
  };
}

/** Returns all versions that a log still holds, the current outcomes last. */
export function versionsOf(document: ActionLogDocument): ReplacedOutcomes[] {
  const { outcomes, source, at, generation = 0, replaced = [] } = document;
  return [...replaced, { outcomes, source, at, generation }];
}

/**
 * Returns the log with other versions. The last one is current. All of them cover the same
 * positions.
 */
export function withVersions(
  document: ActionLogDocument,
  replaced: readonly ReplacedOutcomes[],
  now: ReplacedOutcomes,
): ActionLogDocument {
  const { success, failure, skipped } = tallyOf(now.outcomes);
  return { ...document, ...now, counts: { success, failure, skipped }, replaced };
}

/** Returns the versions of a log, with the tally of each. */
export function countableVersions(document: ActionLogDocument): LoggedVersion[] {
  return versionsOf(document).map(({ generation, source, outcomes }) => ({
    generation,
    source,
    tally: tallyOf(outcomes),
  }));
}

function tallyOf(outcomes: readonly LoggedOutcome[]): LoggedVersion['tally'] {
  return tally(outcomes.map(toOutcome));
}

function toOutcome({ status, code, message, effect }: LoggedOutcome): Outcome {
  return status === 'success' ? success(effect) : { status, code: code ?? '', message: message ?? '' };
}
