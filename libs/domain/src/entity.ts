import { z } from 'zod';

/** Longest entity id and `ref`, in UTF-16 units. */
export const MAX_ENTITY_ID_LENGTH = 256;

/**
 * A lone surrogate has no UTF-8 encoding: two different strings would become equal on their way through Kafka and
 * MongoDB.
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** An entity's id within its account and entity type. */
export const entityIdSchema = z
  .string('expected a non-empty string')
  .min(1, 'expected a non-empty string')
  .max(MAX_ENTITY_ID_LENGTH, `expected at most ${MAX_ENTITY_ID_LENGTH} characters`)
  .refine(isWellFormed, 'expected well-formed Unicode');

/**
 * An entity as a caller sends it: `id` (`rowSchema` says whether a request needs it), an optional `ref` (the caller's own row identity, returned in results), and the
 * fields. Only `id` and `ref` are checked here. The entity type checks the fields, and they can fail only this entity.
 */
export const incomingEntitySchema = z.looseObject(
  {
    id: entityIdSchema.optional().meta({ description: 'Absent with `matchBy`, and optional for `create`.' }),
    ref: z
      .string()
      .max(MAX_ENTITY_ID_LENGTH, `expected at most ${MAX_ENTITY_ID_LENGTH} characters`)
      .nullish(),
  },
  'expected an object with an id',
);
export type IncomingEntity = z.infer<typeof incomingEntitySchema>;

/** A plain JSON object: field name to JSON value. */
export type Fields = Readonly<Record<string, unknown>>;

/** Why a position of an action cannot be applied. It becomes the failure of the position. */
export interface EntityFault {
  /** An outcome code. */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
}

/** A row of a request that names no entity to change, because of a fault that concerns only this row. */
export class FaultyRow {
  readonly fault: EntityFault;
  /** The id that the row names; empty if it names none. */
  readonly id: string;
  readonly ref: string | null;
  /** What else of the row is known. */
  readonly fields: Fields;

  constructor(
    fault: EntityFault,
    known: { readonly id?: string; readonly ref?: string | null; readonly fields?: Fields } = {},
  ) {
    this.fault = fault;
    this.id = known.id ?? '';
    this.ref = known.ref ?? null;
    this.fields = known.fields ?? {};
  }
}

/** A row of a request: an entity to change, or the failure of its position. */
export type IncomingRow = IncomingEntity | FaultyRow;

/** An entity of an accepted action, at its place in the request. */
export interface Entity {
  /** 0-based place in the request. */
  readonly position: number;
  /** Empty if there is a fault and the row names no id. */
  readonly id: string;
  readonly ref: string | null;
  /** The other fields that the caller sent, not yet validated. */
  readonly fields: Fields;
  /** Why the position cannot be applied; absent if it can. */
  readonly fault?: EntityFault;
  /** In a retry: the position that it tries again, in the first action of the chain. Absent: unknown, or no retry. */
  readonly origin?: number;
}

/**
 * Splits a row into its identity and its fields.
 *
 * @throws Error if the row has no id: intake gives or finds the ids before it stages the rows.
 */
export function toEntity(position: number, incoming: IncomingRow): Entity {
  if (incoming instanceof FaultyRow) {
    const { id, ref, fields, fault } = incoming;
    return { position, id, ref, fields, fault };
  }
  const { id, ref, ...fields } = incoming;
  if (id === undefined) throw new Error(`the row at position ${position} has no id`);
  return { position, id, ref: ref ?? null, fields };
}
