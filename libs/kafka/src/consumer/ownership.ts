import { CodedError } from '@bulk/domain';

/** Thrown when another member owns a partition, or may own it. The chunk must be left as it is, for the new owner. */
export class PartitionLostError extends CodedError {
  constructor(topic: string, partition: number, cause: unknown) {
    super('PARTITION_LOST', `another member owns ${topic}/${partition}, or may own it`, {
      retryable: true,
      cause,
    });
  }
}

/** A partition, as a member holds it. */
export interface HeldPartition {
  readonly topic: string;
  readonly partition: number;
  /** Returns whether the member has neither given up the partition nor joined its group again. */
  readonly isHeld: () => boolean;
  /** Sends a heartbeat if one is due. @throws kafkajs' error. */
  readonly heartbeat: () => Promise<void>;
}

/**
 * Confirms by a heartbeat that a partition still belongs to this member. A heartbeat alone is not enough: if the member
 * has joined again since the fetch, the answer is for the new generation, in which another member may own the
 * partition.
 *
 * @throws PartitionLostError if it may be lost; without a cause if this member has joined again.
 * @throws kafkajs' error if the coordinator does not answer.
 */
export async function confirmOwnership(held: HeldPartition): Promise<void> {
  assertHeld(held);
  await askGroup(held);
  assertHeld(held);
}

/** @throws PartitionLostError if the member has given up the partition or joined its group again. */
export function assertHeld({ topic, partition, isHeld }: HeldPartition): void {
  if (!isHeld()) throw new PartitionLostError(topic, partition, undefined);
}

async function askGroup({ topic, partition, heartbeat }: HeldPartition): Promise<void> {
  try {
    await heartbeat();
  } catch (error) {
    // A rebalance has only started: no other member gets the partition before this one rejoins or is dropped.
    if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return;
    throw isLostPartition(error) ? new PartitionLostError(topic, partition, error) : error;
  }
}

/**
 * Returns whether kafkajs reports that another member owns the partition, or may own it. kafkajs rejoins after such an
 * error.
 */
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
