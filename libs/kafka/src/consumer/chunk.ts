import type { IHeaders, KafkaMessage } from 'kafkajs';

/** A message as it was received, before decoding. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

/** Messages of one partition, in order, that are processed together. */
export interface Chunk {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly ReceivedMessage[];
  /** Offset of the next message that will be appended to the partition, as of the last fetch. */
  readonly highWatermark: number;
  /**
   * Aborts when the member is about to lose the partition. A chunk whose work has started may finish. One that
   * still waits for its turn should throw ConsumerStoppingError.
   */
  readonly ending: AbortSignal;
  /**
   * Starts the time that `KAFKA_MAX_PROCESSING_MS` bounds again. Call it when the work starts, if the chunk had to wait
   * for its turn.
   */
  started(): void;
  /**
   * Sends a heartbeat if none was answered within the heartbeat interval.
   *
   * @throws PartitionLostError if the member has joined its group again or left it.
   * @throws kafkajs' error.
   */
  heartbeat(): Promise<void>;
  /**
   * Resolves if the partition still belongs to this member. Call it before an effect that a member without the
   * partition must not have.
   *
   * It asks the group if the last answer is older than the heartbeat interval, hence at once after a stall. It does not
   * notice a stall after the answer, so an effect that must never happen twice needs a fence of its own.
   *
   * @throws PartitionLostError if another member has the partition, or may have it.
   */
  confirmOwnership(): Promise<void>;
}

/** Returns a message in the form in which it is processed. It keeps no memory of the fetch that it came with. */
export function received(topic: string, partition: number, message: KafkaMessage): ReceivedMessage {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, detached(value)]);
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: detached(message.key),
    value: detached(message.value),
    headers: Object.fromEntries(headers) as IHeaders,
  };
}

/**
 * kafkajs returns slices of the whole answer to a fetch. One waiting message would keep all of it in memory.
 *
 * @returns a copy of a buffer; any other value itself.
 */
function detached<T>(value: T): T {
  if (Array.isArray(value)) return value.map((each: unknown) => detached(each)) as T;
  return Buffer.isBuffer(value) ? (Buffer.from(value) as T & Buffer) : value;
}
