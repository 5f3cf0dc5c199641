import { CodedError } from '@bulk/domain';
import { isOfThisGeneration, type FetchedBatch } from '../kafkajs-patches/memberships.ts';

/** Thrown when a partition is, or may be, someone else's: leave its chunk as it is, the new owner gets it. */
export class PartitionLostError extends CodedError {
  constructor(topic: string, partition: number, cause: unknown) {
    super('PARTITION_LOST', `${topic}/${partition} is, or may be, someone else's`, {
      retryable: true,
      cause,
    });
  }
}

/**
 * Asks the group by a heartbeat whether a partition is still ours. A heartbeat alone does not tell: when this member has
 * joined again since the fetch, it is answered for the new generation, in which the partition may be someone else's.
 *
 * @throws PartitionLostError, without a cause when this member has joined again; kafkajs' error when the coordinator does
 * not answer.
 */
export async function confirmOwnership(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<void> {
  const { topic, partition } = batch;
  const confirmGeneration = (): void => {
    if (!isOfThisGeneration(batch)) throw new PartitionLostError(topic, partition, undefined);
  };
  confirmGeneration();
  await askGroup(batch, heartbeat);
  confirmGeneration();
}

async function askGroup({ topic, partition }: FetchedBatch, heartbeat: () => Promise<void>): Promise<void> {
  try {
    await heartbeat();
  } catch (error) {
    // A rebalance has only begun: nobody gets the partition before this member rejoins or is dropped.
    if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return;
    throw isLostPartition(error) ? new PartitionLostError(topic, partition, error) : error;
  }
}

/** Errors by which kafkajs says that the partition is, or may be, someone else's; it rejoins when it sees them. */
export function isLostPartition(error: unknown): boolean {
  return [
    'REBALANCE_IN_PROGRESS',
    'NOT_COORDINATOR_FOR_GROUP',
    'ILLEGAL_GENERATION',
    'UNKNOWN_MEMBER_ID',
  ].includes(typeOf(error));
}

function typeOf(error: unknown): string {
  return error instanceof Error && 'type' in error ? String(error.type) : '';
}
