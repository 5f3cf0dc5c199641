// Generated from schemas/*.avsc by `npm run codegen`. Do not edit.
import { z } from 'zod';

export const actionStatusSchema = z.enum([
  'pending',
  'queued',
  'processing',
  'paused',
  'completed',
  'failed',
  'cancelled',
]);
export type ActionStatus = z.infer<typeof actionStatusSchema>;

/** The whole state of an action's counts after a change. Topic: progress; key: actionId. Delivered at least once; a higher version is newer. */
export const actionProgressSchema = z.strictObject({
  /** UUID of the action. */
  actionId: z.string(),
  /** The account that the action belongs to. */
  accountId: z.string(),
  /** For example update. */
  actionType: z.string(),
  /** For example contact. */
  entityType: z.string(),
  /** Rises with every change of the action. */
  version: z.int(),
  /** Status of the action. */
  status: actionStatusSchema,
  /** Positions of the action. */
  total: z.int32(),
  /** Positions that succeeded. */
  success: z.int32(),
  /** Positions that failed. */
  failure: z.int32(),
  /** Positions that were skipped. */
  skipped: z.int32(),
  /** First outcome, milliseconds since the epoch. */
  startedAt: z.int().nullable(),
  /** Last outcome, milliseconds since the epoch. */
  finishedAt: z.int().nullable(),
  /** When the counts changed last, milliseconds since the epoch. */
  updatedAt: z.int(),
  /** How long it stood still, since it was paused, between its first outcome and its last resumption, in milliseconds. While it is paused it has stood still since updatedAt, too. */
  pausedMs: z.int(),
});
export type ActionProgress = z.infer<typeof actionProgressSchema>;

/** Avro schema of ActionProgress, from schemas/action-progress.avsc. */
export const actionProgressAvro = {
  type: 'record',
  name: 'ActionProgress',
  namespace: 'bulk.v1',
  doc: "The whole state of an action's counts after a change. Topic: progress; key: actionId. Delivered at least once; a higher version is newer.",
  fields: [
    {
      name: 'actionId',
      type: 'string',
      doc: 'UUID of the action.',
    },
    {
      name: 'accountId',
      type: 'string',
      doc: 'The account that the action belongs to.',
    },
    {
      name: 'actionType',
      type: 'string',
      doc: 'For example update.',
    },
    {
      name: 'entityType',
      type: 'string',
      doc: 'For example contact.',
    },
    {
      name: 'version',
      type: 'long',
      doc: 'Rises with every change of the action.',
    },
    {
      name: 'status',
      type: {
        type: 'enum',
        name: 'ActionStatus',
        symbols: ['pending', 'queued', 'processing', 'paused', 'completed', 'failed', 'cancelled'],
        default: 'processing',
      },
      doc: 'Status of the action.',
    },
    {
      name: 'total',
      type: 'int',
      doc: 'Positions of the action.',
    },
    {
      name: 'success',
      type: 'int',
      doc: 'Positions that succeeded.',
    },
    {
      name: 'failure',
      type: 'int',
      doc: 'Positions that failed.',
    },
    {
      name: 'skipped',
      type: 'int',
      doc: 'Positions that were skipped.',
    },
    {
      name: 'startedAt',
      type: [
        'null',
        {
          type: 'long',
          logicalType: 'timestamp-millis',
        },
      ],
      default: null,
      doc: 'First outcome, milliseconds since the epoch.',
    },
    {
      name: 'finishedAt',
      type: [
        'null',
        {
          type: 'long',
          logicalType: 'timestamp-millis',
        },
      ],
      default: null,
      doc: 'Last outcome, milliseconds since the epoch.',
    },
    {
      name: 'updatedAt',
      type: {
        type: 'long',
        logicalType: 'timestamp-millis',
      },
      doc: 'When the counts changed last, milliseconds since the epoch.',
    },
    {
      name: 'pausedMs',
      type: 'long',
      default: 0,
      doc: 'How long it stood still, since it was paused, between its first outcome and its last resumption, in milliseconds. While it is paused it has stood still since updatedAt, too.',
    },
  ],
};

export const laneSchema = z.enum(['high', 'normal', 'low']);
export type Lane = z.infer<typeof laneSchema>;

/** An action was accepted whole and its dispatch begins. Topic: actions; key: actionId. */
export const actionSubmittedSchema = z.strictObject({
  /** UUID of the action. */
  actionId: z.string(),
  /** The account that the action belongs to. */
  accountId: z.string(),
  /** For example update. */
  actionType: z.string(),
  /** For example contact. */
  entityType: z.string(),
  /** Priority class; each has a topic of its own. */
  lane: laneSchema,
  /** The validated config of the action type, a JSON object. */
  config: z.string(),
  /** Positions of the action. */
  total: z.int32(),
  /** Batches that will be published. */
  batchCount: z.int32(),
  /** When it was accepted, milliseconds since the epoch. */
  submittedAt: z.int(),
  /** When it was to start, milliseconds since the epoch; null: at once. */
  scheduledFor: z.int().nullable(),
});
export type ActionSubmitted = z.infer<typeof actionSubmittedSchema>;

/** Avro schema of ActionSubmitted, from schemas/action-submitted.avsc. */
export const actionSubmittedAvro = {
  type: 'record',
  name: 'ActionSubmitted',
  namespace: 'bulk.v1',
  doc: 'An action was accepted whole and its dispatch begins. Topic: actions; key: actionId.',
  fields: [
    {
      name: 'actionId',
      type: 'string',
      doc: 'UUID of the action.',
    },
    {
      name: 'accountId',
      type: 'string',
      doc: 'The account that the action belongs to.',
    },
    {
      name: 'actionType',
      type: 'string',
      doc: 'For example update.',
    },
    {
      name: 'entityType',
      type: 'string',
      doc: 'For example contact.',
    },
    {
      name: 'lane',
      type: {
        type: 'enum',
        name: 'Lane',
        symbols: ['high', 'normal', 'low'],
        default: 'normal',
      },
      doc: 'Priority class; each has a topic of its own.',
    },
    {
      name: 'config',
      type: 'string',
      doc: 'The validated config of the action type, a JSON object.',
    },
    {
      name: 'total',
      type: 'int',
      doc: 'Positions of the action.',
    },
    {
      name: 'batchCount',
      type: 'int',
      doc: 'Batches that will be published.',
    },
    {
      name: 'submittedAt',
      type: {
        type: 'long',
        logicalType: 'timestamp-millis',
      },
      doc: 'When it was accepted, milliseconds since the epoch.',
    },
    {
      name: 'scheduledFor',
      type: [
        'null',
        {
          type: 'long',
          logicalType: 'timestamp-millis',
        },
      ],
      default: null,
      doc: 'When it was to start, milliseconds since the epoch; null: at once.',
    },
  ],
};

/** Where the batch stood in its lane. */
export const batchSourceSchema = z.strictObject({
  /** Topic of the lane. */
  topic: z.string(),
  /** Partition. */
  partition: z.int32(),
  /** Offset. */
  offset: z.int(),
});
export type BatchSource = z.infer<typeof batchSourceSchema>;

export const outcomeStatusSchema = z.enum(['success', 'failure', 'skipped']);
export type OutcomeStatus = z.infer<typeof outcomeStatusSchema>;

/** other: an effect that a later schema has added; no program writes it. */
export const outcomeEffectSchema = z.enum(['created', 'updated', 'unchanged', 'deleted', 'other']);
export type OutcomeEffect = z.infer<typeof outcomeEffectSchema>;

/** What became of one entity. */
export const positionOutcomeSchema = z.strictObject({
  /** 0-based place in the request. */
  position: z.int32(),
  /** Entity id within its account and type. */
  entityId: z.string(),
  /** The caller's own row identity. */
  ref: z.string().nullable(),
  /** Kind of outcome. */
  status: outcomeStatusSchema,
  /** Null for a success; else for example ENTITY_NOT_FOUND. */
  code: z.string().nullable(),
  /** Null for a success; else one sentence for people. */
  message: z.string().nullable(),
  /** How often it was tried. */
  attempts: z.int32(),
  /** What a success did to its entity; null for a failure or a skip, and if the action type does not say. */
  effect: outcomeEffectSchema.nullable(),
  /** The version of the entity that the action left; null if it is unknown. A write that reads no entity knows it of an inserted entity, and of one with an expectedVersion. */
  version: z.int().nullable(),
  /** What the action keeps of the change, a JSON object: fields, or before and after, or changesTruncated; null: nothing. */
  changes: z.string().nullable(),
});
export type PositionOutcome = z.infer<typeof positionOutcomeSchema>;

/** The outcome of each position of one batch. Topic: results; key: actionId. Delivered at least once: a repetition has the same resultId and generation, and the first one counts; a higher generation replaces the outcomes of the lower ones. */
export const batchResultSchema = z.strictObject({
  /** actionId:batchNo; the same for every repetition of this result. */
  resultId: z.string(),
  /** UUID of the action. */
  actionId: z.string(),
  /** The account that the action belongs to. */
  accountId: z.string(),
  /** For example update. */
  actionType: z.string(),
  /** For example contact. */
  entityType: z.string(),
  /** 0-based number of the batch within its action. */
  batchNo: z.int32(),
  /** 0 for a batch as it was dispatched; one more each time it was replayed from the dead letters. The highest counts, and of the same generation the first. */
  generation: z.int32(),
  /** The message that carried the batch. */
  source: batchSourceSchema,
  /** In ascending order of position; one for each entity of the batch. */
  outcomes: z.array(positionOutcomeSchema),
  /** When the batch was applied, milliseconds since the epoch. */
  processedAt: z.int(),
});
export type BatchResult = z.infer<typeof batchResultSchema>;

/** Avro schema of BatchResult, from schemas/batch-result.avsc. */
export const batchResultAvro = {
  type: 'record',
  name: 'BatchResult',
  namespace: 'bulk.v1',
  doc: 'The outcome of each position of one batch. Topic: results; key: actionId. Delivered at least once: a repetition has the same resultId and generation, and the first one counts; a higher generation replaces the outcomes of the lower ones.',
  fields: [
    {
      name: 'resultId',
      type: 'string',
      doc: 'actionId:batchNo; the same for every repetition of this result.',
    },
    {
      name: 'actionId',
      type: 'string',
      doc: 'UUID of the action.',
    },
    {
      name: 'accountId',
      type: 'string',
      doc: 'The account that the action belongs to.',
    },
    {
      name: 'actionType',
      type: 'string',
      doc: 'For example update.',
    },
    {
      name: 'entityType',
      type: 'string',
      doc: 'For example contact.',
    },
    {
      name: 'batchNo',
      type: 'int',
      doc: '0-based number of the batch within its action.',
    },
    {
      name: 'generation',
      type: 'int',
      default: 0,
      doc: '0 for a batch as it was dispatched; one more each time it was replayed from the dead letters. The highest counts, and of the same generation the first.',
    },
    {
      name: 'source',
      type: {
        type: 'record',
        name: 'BatchSource',
        doc: 'Where the batch stood in its lane.',
        fields: [
          {
            name: 'topic',
            type: 'string',
            doc: 'Topic of the lane.',
          },
          {
            name: 'partition',
            type: 'int',
            doc: 'Partition.',
          },
          {
            name: 'offset',
            type: 'long',
            doc: 'Offset.',
          },
        ],
      },
      doc: 'The message that carried the batch.',
    },
    {
      name: 'outcomes',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'PositionOutcome',
          doc: 'What became of one entity.',
          fields: [
            {
              name: 'position',
              type: 'int',
              doc: '0-based place in the request.',
            },
            {
              name: 'entityId',
              type: 'string',
              doc: 'Entity id within its account and type.',
            },
            {
              name: 'ref',
              type: ['null', 'string'],
              default: null,
              doc: "The caller's own row identity.",
            },
            {
              name: 'status',
              type: {
                type: 'enum',
                name: 'OutcomeStatus',
                symbols: ['success', 'failure', 'skipped'],
              },
              doc: 'Kind of outcome.',
            },
            {
              name: 'code',
              type: ['null', 'string'],
              default: null,
              doc: 'Null for a success; else for example ENTITY_NOT_FOUND.',
            },
            {
              name: 'message',
              type: ['null', 'string'],
              default: null,
              doc: 'Null for a success; else one sentence for people.',
            },
            {
              name: 'attempts',
              type: 'int',
              doc: 'How often it was tried.',
              default: 1,
            },
            {
              name: 'effect',
              type: [
                'null',
                {
                  type: 'enum',
                  name: 'OutcomeEffect',
                  symbols: ['created', 'updated', 'unchanged', 'deleted', 'other'],
                  default: 'other',
                  doc: 'other: an effect that a later schema has added; no program writes it.',
                },
              ],
              default: null,
              doc: 'What a success did to its entity; null for a failure or a skip, and if the action type does not say.',
            },
            {
              name: 'version',
              type: ['null', 'long'],
              default: null,
              doc: 'The version of the entity that the action left; null if it is unknown. A write that reads no entity knows it of an inserted entity, and of one with an expectedVersion.',
            },
            {
              name: 'changes',
              type: ['null', 'string'],
              default: null,
              doc: 'What the action keeps of the change, a JSON object: fields, or before and after, or changesTruncated; null: nothing.',
            },
          ],
        },
      },
      doc: 'In ascending order of position; one for each entity of the batch.',
    },
    {
      name: 'processedAt',
      type: {
        type: 'long',
        logicalType: 'timestamp-millis',
      },
      doc: 'When the batch was applied, milliseconds since the epoch.',
    },
  ],
};

/** A message that could not be processed. Topic: dead-letters; key: that of the original. */
export const deadLetterSchema = z.strictObject({
  /** Who gave it up. */
  service: z.string(),
  /** Stable code of the cause. */
  code: z.string(),
  /** The cause in words. */
  message: z.string(),
  /** How often it was tried. */
  attempts: z.int32(),
  /** Topic it came from. */
  topic: z.string(),
  /** Partition it came from. */
  partition: z.int32(),
  /** Offset it came from. */
  offset: z.int(),
  /** Original key. */
  key: z.custom<Buffer>((value) => Buffer.isBuffer(value), 'expected bytes').nullable(),
  /** Original value, byte for byte. */
  value: z.custom<Buffer>((value) => Buffer.isBuffer(value), 'expected bytes').nullable(),
  /** Original headers. */
  headers: z.record(
    z.string(),
    z.custom<Buffer>((value) => Buffer.isBuffer(value), 'expected bytes'),
  ),
  /** When it was given up, milliseconds since the epoch. */
  failedAt: z.int(),
});
export type DeadLetter = z.infer<typeof deadLetterSchema>;

/** Avro schema of DeadLetter, from schemas/dead-letter.avsc. */
export const deadLetterAvro = {
  type: 'record',
  name: 'DeadLetter',
  namespace: 'bulk.v1',
  doc: 'A message that could not be processed. Topic: dead-letters; key: that of the original.',
  fields: [
    {
      name: 'service',
      type: 'string',
      doc: 'Who gave it up.',
    },
    {
      name: 'code',
      type: 'string',
      doc: 'Stable code of the cause.',
    },
    {
      name: 'message',
      type: 'string',
      doc: 'The cause in words.',
    },
    {
      name: 'attempts',
      type: 'int',
      doc: 'How often it was tried.',
    },
    {
      name: 'topic',
      type: 'string',
      doc: 'Topic it came from.',
    },
    {
      name: 'partition',
      type: 'int',
      doc: 'Partition it came from.',
    },
    {
      name: 'offset',
      type: 'long',
      doc: 'Offset it came from.',
    },
    {
      name: 'key',
      type: ['null', 'bytes'],
      default: null,
      doc: 'Original key.',
    },
    {
      name: 'value',
      type: ['null', 'bytes'],
      default: null,
      doc: 'Original value, byte for byte.',
    },
    {
      name: 'headers',
      type: {
        type: 'map',
        values: 'bytes',
      },
      doc: 'Original headers.',
    },
    {
      name: 'failedAt',
      type: {
        type: 'long',
        logicalType: 'timestamp-millis',
      },
      doc: 'When it was given up, milliseconds since the epoch.',
    },
  ],
};

/** What of the retry policy an action sets of its own; null: as the action type or the installation has it. */
export const batchRetrySchema = z.strictObject({
  /** Tries of an entity at most. */
  maxAttempts: z.int32().nullable(),
  /** Longest wait before the second try, in ms. */
  initialDelayMs: z.int32().nullable(),
  /** Longest wait before any later try, in ms. */
  maxDelayMs: z.int32().nullable(),
});
export type BatchRetry = z.infer<typeof batchRetrySchema>;

/** What the outcomes keep of the changes. */
export const changesKeptSchema = z.enum(['none', 'fields', 'values']);
export type ChangesKept = z.infer<typeof changesKeptSchema>;

/** A fault that intake found. */
export const entityFaultSchema = z.strictObject({
  /** For example INVALID_ROW. */
  code: z.string(),
  /** One sentence for people. */
  message: z.string(),
});
export type EntityFault = z.infer<typeof entityFaultSchema>;

/** One entity at its position. */
export const batchEntitySchema = z.strictObject({
  /** 0-based place in the request. */
  position: z.int32(),
  /** Entity id within its account and type; empty if a position with a fault names none. */
  id: z.string(),
  /** The caller's own row identity. */
  ref: z.string().nullable(),
  /** What the caller sent beside id and ref, a JSON object. With a fault, it is the value of the one field (fault), so that older handlers refuse it. */
  fields: z.string(),
  /** Why the position cannot be applied; it becomes its failure. Null: the position is applied. */
  fault: entityFaultSchema.nullable(),
  /** In a retry: the position that it tries again, in the first action of the chain. Null: unknown, or no retry. */
  origin: z.int32().nullable(),
});
export type BatchEntity = z.infer<typeof batchEntitySchema>;

/** Entities of one action that share a partition. Topic: entity-batches.<lane>; key: actionId; the partition is chosen by hash of (entityType, entityId). */
export const entityBatchSchema = z.strictObject({
  /** UUID of the action. */
  actionId: z.string(),
  /** The account that the action belongs to. */
  accountId: z.string(),
  /** For example update. */
  actionType: z.string(),
  /** For example contact. */
  entityType: z.string(),
  /** Priority class; each has a topic of its own. */
  lane: laneSchema,
  /** The validated config of the action type, a JSON object. */
  config: z.string(),
  /** Whether outcomes are only foretold: everything is validated and looked up, nothing is changed. */
  dryRun: z.boolean(),
  /** Whether the rest of the action was given up before this batch was published: its positions are skipped. */
  cancelled: z.boolean(),
  /** Whether too many positions of the action failed before this batch was published. Then cancelled is true too, and the code of the skips is ACTION_FAILED. */
  failed: z.boolean(),
  /** The action's own retry policy. */
  retry: batchRetrySchema.nullable(),
  /** For a retry of an action: the first action of the chain, whose relative changes are not made again. */
  rootActionId: z.string().nullable(),
  /** What the outcomes keep of the changes: nothing, the names of the changed fields, or their values before and after. */
  changes: changesKeptSchema,
  /** 0-based number of the batch within its action. */
  batchNo: z.int32(),
  /** In ascending order of position. */
  entities: z.array(batchEntitySchema),
});
export type EntityBatch = z.infer<typeof entityBatchSchema>;

/** Avro schema of EntityBatch, from schemas/entity-batch.avsc. */
export const entityBatchAvro = {
  type: 'record',
  name: 'EntityBatch',
  namespace: 'bulk.v1',
  doc: 'Entities of one action that share a partition. Topic: entity-batches.<lane>; key: actionId; the partition is chosen by hash of (entityType, entityId).',
  fields: [
    {
      name: 'actionId',
      type: 'string',
      doc: 'UUID of the action.',
    },
    {
      name: 'accountId',
      type: 'string',
      doc: 'The account that the action belongs to.',
    },
    {
      name: 'actionType',
      type: 'string',
      doc: 'For example update.',
    },
    {
      name: 'entityType',
      type: 'string',
      doc: 'For example contact.',
    },
    {
      name: 'lane',
      type: {
        type: 'enum',
        name: 'Lane',
        symbols: ['high', 'normal', 'low'],
        default: 'normal',
      },
      doc: 'Priority class; each has a topic of its own.',
    },
    {
      name: 'config',
      type: 'string',
      doc: 'The validated config of the action type, a JSON object.',
    },
    {
      name: 'dryRun',
      type: 'boolean',
      default: false,
      doc: 'Whether outcomes are only foretold: everything is validated and looked up, nothing is changed.',
    },
    {
      name: 'cancelled',
      type: 'boolean',
      default: false,
      doc: 'Whether the rest of the action was given up before this batch was published: its positions are skipped.',
    },
    {
      name: 'failed',
      type: 'boolean',
      default: false,
      doc: 'Whether too many positions of the action failed before this batch was published. Then cancelled is true too, and the code of the skips is ACTION_FAILED.',
    },
    {
      name: 'retry',
      type: [
        'null',
        {
          type: 'record',
          name: 'BatchRetry',
          doc: 'What of the retry policy an action sets of its own; null: as the action type or the installation has it.',
          fields: [
            {
              name: 'maxAttempts',
              type: ['null', 'int'],
              default: null,
              doc: 'Tries of an entity at most.',
            },
            {
              name: 'initialDelayMs',
              type: ['null', 'int'],
              default: null,
              doc: 'Longest wait before the second try, in ms.',
            },
            {
              name: 'maxDelayMs',
              type: ['null', 'int'],
              default: null,
              doc: 'Longest wait before any later try, in ms.',
            },
          ],
        },
      ],
      default: null,
      doc: "The action's own retry policy.",
    },
    {
      name: 'rootActionId',
      type: ['null', 'string'],
      default: null,
      doc: 'For a retry of an action: the first action of the chain, whose relative changes are not made again.',
    },
    {
      name: 'changes',
      type: {
        type: 'enum',
        name: 'ChangesKept',
        symbols: ['none', 'fields', 'values'],
        default: 'none',
        doc: 'What the outcomes keep of the changes.',
      },
      default: 'none',
      doc: 'What the outcomes keep of the changes: nothing, the names of the changed fields, or their values before and after.',
    },
    {
      name: 'batchNo',
      type: 'int',
      doc: '0-based number of the batch within its action.',
    },
    {
      name: 'entities',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'BatchEntity',
          doc: 'One entity at its position.',
          fields: [
            {
              name: 'position',
              type: 'int',
              doc: '0-based place in the request.',
            },
            {
              name: 'id',
              type: 'string',
              doc: 'Entity id within its account and type; empty if a position with a fault names none.',
            },
            {
              name: 'ref',
              type: ['null', 'string'],
              default: null,
              doc: "The caller's own row identity.",
            },
            {
              name: 'fields',
              type: 'string',
              doc: 'What the caller sent beside id and ref, a JSON object. With a fault, it is the value of the one field (fault), so that older handlers refuse it.',
            },
            {
              name: 'fault',
              type: [
                'null',
                {
                  type: 'record',
                  name: 'EntityFault',
                  doc: 'A fault that intake found.',
                  fields: [
                    { name: 'code', type: 'string', doc: 'For example INVALID_ROW.' },
                    { name: 'message', type: 'string', doc: 'One sentence for people.' },
                  ],
                },
              ],
              default: null,
              doc: 'Why the position cannot be applied; it becomes its failure. Null: the position is applied.',
            },
            {
              name: 'origin',
              type: ['null', 'int'],
              default: null,
              doc: 'In a retry: the position that it tries again, in the first action of the chain. Null: unknown, or no retry.',
            },
          ],
        },
      },
      doc: 'In ascending order of position.',
    },
  ],
};
