import { fieldIssues } from '@bulk/action-types';
import {
  BY_ID,
  entityIdSchema,
  incomingEntitySchema,
  isDeeperThan,
  MAX_DEPTH,
  rowSchema,
  type FieldIssue,
  type IncomingEntity,
} from '@bulk/domain';

/** Maximum number of bytes of JSON that one byte of a row becomes: a control character becomes six. */
const GROWTH = 6;

/** Finds the first fault of a value that should be an entity; undefined if it is one and can be used unchanged. */
export function entityFault(value: unknown, identity = BY_ID): FieldIssue | undefined {
  const parsed = rowSchema(identity).safeParse(value);
  if (parsed.success) return undefined;
  const [issue] = fieldIssues(parsed.error);
  return { field: issue?.field ?? '', message: issue?.message ?? 'expected an object with an id' };
}

/** The bounds of an entity. */
export interface EntityBounds {
  /** Number of bytes of the row, and of the keys that its JSON adds. */
  readonly rowBytes: number;
  readonly keyBytes?: number;
  /** Largest JSON of the entity, in bytes. */
  readonly maxBytes: number;
}

/**
 * Finds whether an entity is too large or nested too deeply.
 *
 * Most rows are so small that their entities need not be measured.
 */
export function boundsFault(
  entity: IncomingEntity,
  { rowBytes, keyBytes = 0, maxBytes }: EntityBounds,
): { readonly code: 'INVALID_ROW' | 'ENTITY_TOO_LARGE'; readonly message: string } | undefined {
  if (isDeeperThan(entity, MAX_DEPTH))
    return { code: 'INVALID_ROW', message: `expected at most ${MAX_DEPTH} levels of nesting` };
  if (rowBytes * GROWTH + keyBytes <= maxBytes) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify(entity));
  return bytes <= maxBytes
    ? undefined
    : {
        code: 'ENTITY_TOO_LARGE',
        message: `expected an entity of at most ${maxBytes} bytes of JSON, found ${bytes}`,
      };
}

/** Returns what is known of a row at fault: its id and its ref, if they are valid. */
export function knownOf(value: unknown): { readonly id?: string; readonly ref?: string | null } {
  const { id, ref } = Object(value) as { readonly id?: unknown; readonly ref?: unknown };
  const knownId = entityIdSchema.safeParse(id);
  const knownRef = incomingEntitySchema.shape.ref.safeParse(ref);
  return {
    ...(knownId.success ? { id: knownId.data } : {}),
    ...(knownRef.success ? { ref: knownRef.data ?? null } : {}),
  };
}
