import { entityIdSchema, typeNameSchema } from '@bulk/domain';
import { z } from 'zod';
import { accountQueryShape, csvResultsQuerySchema, pageQueryShape } from './schemas.ts';

/** Orders of a list of records. A leading `-` means descending. */
export const RECORD_SORTS = ['id', '-id', 'createdAt', '-createdAt', 'updatedAt', '-updatedAt'] as const;
export type RecordSort = (typeof RECORD_SORTS)[number];

/** Name of the version of a record in an export: an upload takes it as the version that the record must have. */
export const EXPORTED_VERSION = 'expectedVersion';

const entityTypeParameter = typeNameSchema.meta({
  description: 'The entity type, e.g. contact.',
  example: 'contact',
});

/** The path of the operations on the records of one type. */
export const recordsPathSchema = z.object({ entityType: entityTypeParameter });

/** The path of the operations on one record. */
export const recordPathSchema = z.object({
  entityType: entityTypeParameter,
  id: entityIdSchema.meta({ description: 'The id of the record.', example: 'contact-1' }),
});

const filter = z.string().optional().meta({
  description:
    'Only records that meet these conditions, as JSON: `{"ownerId":"user-1","score":{"gte":50}}`. Default: all records.',
});

/** Query of GET /entities/{entityType}. */
export const listEntitiesQuerySchema = z.strictObject({
  filter,
  sort: z
    .enum(RECORD_SORTS, `expected one of ${RECORD_SORTS.join(', ')}`)
    .default('id')
    .meta({ description: 'Order of the records; a leading "-" means descending.' }),
  limit: pageQueryShape.limit,
  after: z.string().optional().meta({ description: 'The `pagination.next` of the page before.' }),
  ...accountQueryShape,
});

/** Query of GET /entities/{entityType}/export.ndjson. */
export const exportQuerySchema = z.strictObject({
  filter,
  fields: z
    .string()
    .optional()
    .meta({
      description: `The fields to export, in this order, with commas between: \`city,tags\`. \`id\` is always the first. \`${EXPORTED_VERSION}\` adds the version, which an upload checks. Default: all fields of the type.`,
    }),
  ...accountQueryShape,
});

/** Query of GET /entities/{entityType}/export.csv. */
export const csvExportQuerySchema = exportQuerySchema.extend({ exact: csvResultsQuerySchema.shape.exact });

/** A record: its fields, and those that every record has. */
export const entityRecordSchema = z.looseObject({
  id: z.string(),
  version: z
    .int()
    .nonnegative()
    .meta({ description: 'Rises with every change. Send it as `expectedVersion` to change nothing else.' }),
  createdAt: z.iso.datetime().nullable(),
  updatedAt: z.iso.datetime().nullable(),
});
export type EntityRecordView = z.infer<typeof entityRecordSchema>;

/** `pagination` of a list of records. */
export const entityPaginationSchema = z.object({
  limit: z.int().positive(),
  next: z
    .string()
    .nullable()
    .meta({ description: 'The value of `after` for the next page; null if this page is the last one.' }),
});
