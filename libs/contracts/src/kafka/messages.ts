import type { z } from 'zod';
import {
  actionProgressAvro,
  actionProgressSchema,
  actionSubmittedAvro,
  actionSubmittedSchema,
  batchResultAvro,
  batchResultSchema,
  deadLetterAvro,
  deadLetterSchema,
  entityBatchAvro,
  entityBatchSchema,
} from '../generated/messages.ts';
import { DEAD_LETTER_HEADERS, HEADERS } from './headers.ts';

export type {
  ActionProgress,
  ActionSubmitted,
  BatchEntity,
  BatchResult,
  BatchSource,
  DeadLetter,
  EntityBatch,
} from '../generated/messages.ts';

/** One kind of message: its Avro schema (the wire) and its zod schema (the boundary), generated from the same file. */
export interface MessageType<T> {
  readonly name: string;
  readonly avro: { readonly type: string; readonly name: string; readonly namespace: string };
  readonly schema: z.ZodType<T>;
  /** The meaning of the key of each message. */
  readonly key: string;
  /** Header → its meaning. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that a message may lack → their meaning. */
  readonly optionalHeaders: Readonly<Record<string, string>>;
}

function messageType<T>(
  avro: MessageType<T>['avro'],
  schema: z.ZodType<T>,
  contract: Pick<MessageType<T>, 'key' | 'headers' | 'optionalHeaders'>,
): MessageType<T> {
  return { name: avro.name, avro, schema, ...contract };
}

const ACTION_KEY = 'The action (`actionId`), as UTF-8.';
const ACCOUNT = "The action's account, to filter messages without decoding them.";
const ACTION = 'The action.';
const BATCH = 'The batch within its action, from 0.';
const GENERATION = 'Number of replays of the batch from the dead letters, as text; absent if there was none.';
const TRACE = {
  traceparent: 'W3C Trace Context of the span that sent the message; absent if tracing is off.',
};

/** Every type of message that the platform sends to a topic. */
export const MESSAGES = {
  actionSubmitted: messageType(actionSubmittedAvro, actionSubmittedSchema, {
    key: ACTION_KEY,
    headers: { [HEADERS.actionId]: ACTION, [HEADERS.accountId]: ACCOUNT },
    optionalHeaders: TRACE,
  }),
  entityBatch: messageType(entityBatchAvro, entityBatchSchema, {
    key: `${ACTION_KEY} The partition does not depend on the key: it is the hash of (entityType, entityId).`,
    headers: { [HEADERS.actionId]: ACTION, [HEADERS.batchNo]: BATCH },
    optionalHeaders: { [HEADERS.generation]: GENERATION, ...TRACE },
  }),
  batchResult: messageType(batchResultAvro, batchResultSchema, {
    key: ACTION_KEY,
    headers: {
      [HEADERS.resultId]: 'The same for every repetition of this result.',
      [HEADERS.accountId]: ACCOUNT,
    },
    optionalHeaders: { [HEADERS.generation]: GENERATION, ...TRACE },
  }),
  actionProgress: messageType(actionProgressAvro, actionProgressSchema, {
    key: ACTION_KEY,
    headers: { [HEADERS.accountId]: ACCOUNT },
    optionalHeaders: TRACE,
  }),
  deadLetter: messageType(deadLetterAvro, deadLetterSchema, {
    key: 'The key of the original message.',
    headers: {
      [DEAD_LETTER_HEADERS.code]: 'Stable error code of the cause.',
      [DEAD_LETTER_HEADERS.service]: 'The service that dead-lettered the message.',
      [DEAD_LETTER_HEADERS.attempts]: 'Number of tries.',
      [DEAD_LETTER_HEADERS.origin]: 'Place of the original message: topic/partition/offset.',
    },
    optionalHeaders: {
      [HEADERS.actionId]: `${ACTION} Absent if it is unknown.`,
      [HEADERS.batchNo]: `${BATCH} Absent if it is unknown.`,
      [HEADERS.generation]: GENERATION,
    },
  }),
} as const;
