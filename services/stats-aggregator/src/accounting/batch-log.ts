import {
  decodeOutcomes,
  MalformedMessageError,
  type AttemptedOutcome,
  type BatchResult,
} from '@bulk/contracts';
import { isOutcomeCode, tally, type Tally } from '@bulk/domain';

/** The checked result of one batch, with its position in the results topic. */
export interface BatchLog {
  readonly actionId: string;
  readonly batchNo: number;
  /** How often the batch was replayed. A higher generation replaces the outcomes of lower ones. */
  readonly generation: number;
  /** Partition of the lane that the batch came from. */
  readonly lanePartition: number;
  readonly outcomes: readonly AttemptedOutcome[];
  readonly tally: Tally;
  readonly source: { readonly partition: number; readonly offset: number };
  readonly at: Date;
}

/**
 * Checks the rules of a result that Avro cannot express, and counts its outcomes.
 *
 * @throws MalformedMessageError if positions do not ascend, there are none, a code has the wrong
 * form, or the generation is negative.
 */
export function toBatchLog(result: BatchResult, source: BatchLog['source']): BatchLog {
  const outcomes = decodeOutcomes(result);
  if (outcomes.length === 0) throw new MalformedMessageError('a result without outcomes');
  if (result.generation < 0) throw new MalformedMessageError(`${result.generation} is not a generation`);
  let previous = -1;
  for (const { position, outcome } of outcomes) {
    if (position <= previous) {
      throw new MalformedMessageError(`positions do not ascend at position ${position}`);
    }
    if (outcome.code !== null && !isOutcomeCode(outcome.code)) {
      throw new MalformedMessageError(`"${outcome.code}" at position ${position} is not the form of a code`);
    }
    previous = position;
  }
  return {
    actionId: result.actionId,
    batchNo: result.batchNo,
    generation: result.generation,
    lanePartition: result.source.partition,
    outcomes,
    tally: tally(outcomes.map(({ outcome }) => outcome)),
    source,
    at: new Date(result.processedAt),
  };
}

/** Returns the position after the last one that a log names. */
export function endPosition(log: BatchLog): number {
  return (log.outcomes.at(-1)?.position ?? -1) + 1;
}
