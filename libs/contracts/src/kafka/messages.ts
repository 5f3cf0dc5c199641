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
  /** What the key of each message says. */
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
const ACCOUNT = "The action's account: to filter without decoding.";
const ACTION = 'The action.';
const BATCH = 'The batch within its action, from 0.';
const GENERATION = 'How often the batch was replayed from the dead letters, as text; absent: never.';
const TRACE = { traceparent: 'W3C Trace Context of the span that sent it; absent where nothing is traced.' };

/** Every message that the platform puts on a topic. */
export const MESSAGES = {
  actionSubmitted: messageType(actionSubmittedAvro, actionSubmittedSchema, {
    key: ACTION_KEY,
    headers: { [HEADERS.actionId]: ACTION, [HEADERS.accountId]: ACCOUNT },
    optionalHeaders: TRACE,
  }),
  entityBatch: messageType(entityBatchAvro, entityBatchSchema, {
    key: `${ACTION_KEY} The partition is that of the entities, by hash of (entityType, entityId).`,
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
    key: 'That of the original message.',
    headers: {
      [DEAD_LETTER_HEADERS.code]: 'Stable code of the cause.',
      [DEAD_LETTER_HEADERS.service]: 'Who gave it up.',
      [DEAD_LETTER_HEADERS.attempts]: 'How often it was tried.',
      [DEAD_LETTER_HEADERS.origin]: 'topic/partition/offset.',
    },
    optionalHeaders: {
      [HEADERS.actionId]: `${ACTION} Where it is known.`,
      [HEADERS.batchNo]: `${BATCH} Where it is known.`,
      [HEADERS.generation]: GENERATION,
    },
  }),
} as const;
