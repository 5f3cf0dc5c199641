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
}

function messageType<T>(avro: MessageType<T>['avro'], schema: z.ZodType<T>): MessageType<T> {
  return { name: avro.name, avro, schema };
}

/** Every message that the platform puts on a topic. */
export const MESSAGES = {
  actionSubmitted: messageType(actionSubmittedAvro, actionSubmittedSchema),
  entityBatch: messageType(entityBatchAvro, entityBatchSchema),
  batchResult: messageType(batchResultAvro, batchResultSchema),
  actionProgress: messageType(actionProgressAvro, actionProgressSchema),
  deadLetter: messageType(deadLetterAvro, deadLetterSchema),
} as const;
