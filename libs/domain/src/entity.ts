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
 * An entity as a caller sends it: `id`, an optional `ref` (the caller's own row identity, returned in results), and the
 * fields. Only `id` and `ref` are checked here. The entity type checks the fields, and they can fail only this entity.
 */
export const incomingEntitySchema = z.looseObject(
  {
    id: entityIdSchema,
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

/** An entity of an accepted action, at its place in the request. */
export interface Entity {
  /** 0-based place in the request. */
  readonly position: number;
  readonly id: string;
  readonly ref: string | null;
  /** The other fields that the caller sent, not yet validated. */
  readonly fields: Fields;
}

/** Splits an incoming entity into its identity and its fields. */
export function toEntity(position: number, incoming: IncomingEntity): Entity {
  const { id, ref, ...fields } = incoming;
  return { position, id, ref: ref ?? null, fields };
}
