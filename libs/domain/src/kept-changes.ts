import { z } from 'zod';
import type { Fields } from './entity.ts';
import type { Effect } from './outcome.ts';

/** What the outcomes of an action keep of its changes: nothing, the names of changed fields, or their values. */
export const CHANGES_KEPT = ['none', 'fields', 'values'] as const;
export const changesKeptSchema = z.enum(CHANGES_KEPT, `expected one of ${CHANGES_KEPT.join(', ')}`);
export type ChangesKept = z.infer<typeof changesKeptSchema>;

/** Returns what an action keeps of its changes if its request does not say. */
export function defaultChangesKept(dryRun: boolean): ChangesKept {
  return dryRun ? 'values' : 'none';
}

/**
 * What one outcome keeps of a change, in one of three forms: the names of the changed fields; their values before and
 * after, with null for a field that was or is absent; or the names and a mark that the values are missing.
 */
export const entityChangesSchema = z.object({
  fields: z.array(z.string()).optional(),
  before: z.record(z.string(), z.unknown()).optional(),
  after: z.record(z.string(), z.unknown()).optional(),
  changesTruncated: z.literal(true).optional(),
});
export type EntityChanges = z.infer<typeof entityChangesSchema>;

/** What the outcomes of a batch keep of its changes. */
export interface KeepChanges {
  readonly kept: Exclude<ChangesKept, 'none'>;
  /** Maximum size of what one outcome keeps, in bytes of its JSON. */
  readonly maxBytes: number;
}

/** Maximum size of what the outcomes of one batch keep, in bytes of JSON. A result and a log must hold them. */
export const MAX_BATCH_CHANGES_BYTES = 2_097_152;

/** Maximum size of what the mark of a change keeps, in bytes of JSON. An entity holds up to 100 marks. */
export const MAX_MARK_CHANGES_BYTES = 1_024;

/** The fields that a write changes, and what was there before. */
export interface ChangedFields {
  readonly effect: Effect;
  /** The changed fields; of a deleted entity, all of them. */
  readonly fields: readonly string[];
  readonly before: Fields;
  readonly after: Fields;
}

/**
 * Returns what an outcome keeps of a change, as the JSON of `EntityChanges`.
 *
 * @returns undefined if nothing is kept: none was asked for, or nothing changed.
 */
export function changesText(
  keep: KeepChanges | undefined,
  { effect, fields, before, after }: ChangedFields,
): string | undefined {
  if (keep === undefined || effect === 'unchanged') return undefined;
  if (keep.kept === 'fields') return bounded(JSON.stringify({ fields }), keep.maxBytes, fields);
  const old = effect === 'created' ? {} : valuesOf(fields, before);
  const now = effect === 'deleted' ? {} : valuesOf(fields, after);
  if (old === undefined || now === undefined) return truncated(fields, keep.maxBytes);
  return bounded(JSON.stringify({ before: old, after: now }), keep.maxBytes, fields);
}

/**
 * Parses what an outcome keeps of a change.
 *
 * @returns undefined if the text is not the JSON of `EntityChanges`.
 */
export function parseEntityChanges(text: string): EntityChanges | undefined {
  try {
    return entityChangesSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Returns the changes, or a mark in their place if they are too large. */
export function clippedChanges(text: string, maxBytes: number): string {
  return bounded(text, maxBytes, []);
}

/** Replaces by a mark what exceeds the bound of a batch, in the order of the texts. */
export function boundedChanges(
  texts: readonly (string | undefined)[],
  maxBytes: number = MAX_BATCH_CHANGES_BYTES,
): (string | undefined)[] {
  let left = maxBytes;
  return texts.map((text) => {
    if (text === undefined) return undefined;
    const bytes = byteLength(text);
    if (bytes > left) return MARK;
    left -= bytes;
    return text;
  });
}

const MARK = JSON.stringify({ changesTruncated: true });

function bounded(text: string, maxBytes: number, fields: readonly string[]): string {
  // Most texts are short: a UTF-16 unit has at most three bytes.
  return 3 * text.length <= maxBytes || byteLength(text) <= maxBytes ? text : truncated(fields, maxBytes);
}

/** Returns the mark, with the names of the fields if they fit. */
function truncated(fields: readonly string[], maxBytes: number): string {
  if (fields.length === 0) return MARK;
  const text = JSON.stringify({ fields, changesTruncated: true });
  return byteLength(text) <= maxBytes ? text : MARK;
}

/** Returns the number of UTF-8 bytes of a text. The domain also runs in browsers, which have no `Buffer`. */
function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair counts as two of its four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** Returns values by field, null for an absent one; undefined if JSON would alter one of them. */
function valuesOf(fields: readonly string[], from: Fields): Record<string, unknown> | undefined {
  const entries: [string, unknown][] = fields.map((field) => [field, from[field] ?? null]);
  return entries.every(([, value]) => isJson(value)) ? Object.fromEntries(entries) : undefined;
}

/** Returns whether a value is the same after JSON. A date that another program has stored would become a text. */
function isJson(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isJson);
}
