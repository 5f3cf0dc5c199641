import { actionIdSchema } from '@bulk/domain';
import { MalformedMessageError } from './malformed-message-error.ts';

/** The headers that identify a message without decoding it. Values are text. */
export const HEADERS = {
  actionId: 'action-id',
  batchNo: 'batch-no',
  /** `actionId:batchNo`, of a result. */
  resultId: 'result-id',
  accountId: 'account-id',
  /** Number of replays of a batch from the dead letters; absent if there was none. */
  generation: 'generation',
} as const;

/** Headers of a dead letter, in addition to the headers of the original message. */
export const DEAD_LETTER_HEADERS = {
  /** Code of the cause. */
  code: 'dead-letter-code',
  service: 'dead-letter-service',
  attempts: 'dead-letter-attempts',
  /** `topic/partition/offset` of the original message. */
  origin: 'dead-letter-origin',
} as const;

/**
 * Headers as Kafka clients provide them. A header that was sent more than once is an array, whose last value counts.
 */
export type MessageHeaders = Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;

/** The name of a batch. */
export interface BatchName {
  readonly actionId: string;
  readonly batchNo: number;
}

/** The generation of a batch as it was dispatched. */
export const FIRST_GENERATION = 0;
/** Highest number of an Avro int. */
const MAX_INT = 2_147_483_647;

export function headerText(headers: MessageHeaders, name: string): string | undefined {
  const value = headers[name];
  const last = Array.isArray(value) ? value.at(-1) : value;
  return last === undefined ? undefined : String(last);
}

/**
 * Returns the batch that a message is about, from `action-id` and `batch-no`, else from `result-id`.
 *
 * @returns undefined if no header names a batch.
 */
export function batchNameOf(headers: MessageHeaders): BatchName | undefined {
  const [actionOfResult, batchOfResult] = headerText(headers, HEADERS.resultId)?.split(':') ?? [];
  const actionId = actionIdSchema.safeParse(headerText(headers, HEADERS.actionId) ?? actionOfResult);
  const batchNo = wholeNumber(headerText(headers, HEADERS.batchNo) ?? batchOfResult);
  return actionId.success && batchNo !== undefined ? { actionId: actionId.data, batchNo } : undefined;
}

/**
 * Returns the generation of a message; 0 without the header. @throws MalformedMessageError if the header is not a whole
 * number.
 */
export function generationOf(headers: MessageHeaders): number {
  const text = headerText(headers, HEADERS.generation);
  if (text === undefined) return FIRST_GENERATION;
  const generation = wholeNumber(text);
  if (generation === undefined) throw new MalformedMessageError(`"${text}" is not a generation`);
  return generation;
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const n = Number(text);
  return n <= MAX_INT ? n : undefined;
}
