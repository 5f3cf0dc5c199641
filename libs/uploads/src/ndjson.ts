import type { InvalidRows } from '@bulk/contracts';
import type { IncomingEntity, IncomingRow, RowIdentity } from '@bulk/domain';
import { checkEmptyLines } from './empty-lines.ts';
import { utf8Of } from './encoding.ts';
import { INCOMPLETE_MESSAGE, isIncompleteLine } from './incomplete.ts';
import { boundsFault, entityFault, knownOf } from './entity.ts';
import { InvalidRowPolicy } from './invalid-rows.ts';
import { parseJson } from './json-text.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface NdjsonOptions {
  /** Maximum size of a line, and of the JSON of its entity, in bytes. */
  readonly maxLineBytes: number;
  /** Maximum number of lines without an entity. */
  readonly maxEmptyLines: number;
  /** How the rows name their entities. @default by their ids */
  readonly identity?: RowIdentity | undefined;
  /** The charset that `content-type` declares. Default: UTF-8, or the one of a byte order mark. */
  readonly charset?: string | undefined;
  /** What becomes of lines that are no entity. */
  readonly invalidRows: InvalidRows;
}

/**
 * Reads the rows of newline-delimited JSON, one object per line. CR, LF and CRLF each end a line. Empty lines count as
 * lines and are ignored. It holds at most one line. A number that a double cannot hold becomes an `inexactNumber`.
 *
 * An invalid line becomes a `FaultyRow`, or the file is refused because of it, as `invalidRows` says.
 *
 * @throws InvalidInputError `INVALID_ENCODING`, `INVALID_ROW` or `ENTITY_TOO_LARGE`, naming up to 20 lines and the
 *   expected values.
 * @throws UnknownCharsetError, and the errors of `bytes`.
 */
export async function* ndjsonEntities(
  bytes: AsyncIterable<Uint8Array>,
  { maxLineBytes, maxEmptyLines, identity, charset, invalidRows }: NdjsonOptions,
): AsyncGenerator<IncomingRow> {
  const policy = new InvalidRowPolicy('NDJSON', invalidRows);
  let line = 0;
  let empty = 0;
  try {
    for await (const text of lines(utf8Of(bytes, charset), maxLineBytes)) {
      line += 1;
      if (text?.trim() === '') {
        empty += 1;
        checkEmptyLines(empty, maxEmptyLines);
        continue;
      }
      const row = rowOf(text, line, { maxBytes: maxLineBytes, identity }, policy);
      if (row !== undefined && !policy.refuses) yield row;
      policy.afterRow();
    }
  } catch (error) {
    // After a first fault, lines are read only to find more faults. A later error is not the reason of the refusal.
    policy.throwIfRefused();
    throw error;
  }
  policy.throwIfRefused();
}

function rowOf(
  text: string | undefined,
  line: number,
  { maxBytes, identity }: { readonly maxBytes: number; readonly identity: RowIdentity | undefined },
  policy: InvalidRowPolicy,
): IncomingRow | undefined {
  if (text === undefined)
    return policy.take({ line, code: 'ENTITY_TOO_LARGE', message: `expected at most ${maxBytes} bytes` });
  const parsed = parseJson(text);
  if (!parsed.ok)
    return policy.take({ line, message: `expected one JSON object per line, ${parsed.message}` });
  if (isIncompleteLine(parsed.value)) {
    policy.refuse({ line, message: INCOMPLETE_MESSAGE });
    policy.throwIfRefused();
  }
  const fault = entityFault(parsed.value, identity);
  if (fault !== undefined) {
    const name = fault.field === '' ? undefined : fault.field;
    return policy.take({ line, name, message: fault.message }, knownOf(parsed.value));
  }
  // The entity stays as it was sent: zod's copy would lack a field `__proto__`, which the handler refuses.
  const entity = parsed.value as IncomingEntity;
  const beyond = boundsFault(entity, { rowBytes: Buffer.byteLength(text), maxBytes });
  return beyond === undefined ? entity : policy.take({ line, ...beyond }, knownOf(entity));
}

/** Yields the lines; undefined for one that is larger than `maxBytes`, of which nothing is held. */
async function* lines(bytes: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string | undefined> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let afterCr = false;
  const hold = (part: Buffer): void => {
    pendingBytes += part.length;
    if (pendingBytes > maxBytes) pending = [];
    else if (part.length > 0) pending.push(part);
  };
  const take = (last: Buffer): string | undefined => {
    hold(last);
    const text = pendingBytes > maxBytes ? undefined : Buffer.concat(pending).toString();
    pending = [];
    pendingBytes = 0;
    return text;
  };
  for await (const chunk of bytes) {
    let start = afterCr && chunk[0] === LF ? 1 : 0;
    for (let end = lineEnd(chunk, start); end !== -1; end = lineEnd(chunk, start)) {
      yield take(chunk.subarray(start, end));
      start = end + (chunk[end] === CR && chunk[end + 1] === LF ? 2 : 1);
    }
    if (chunk.length > 0) afterCr = chunk[chunk.length - 1] === CR;
    hold(chunk.subarray(start));
  }
  if (pendingBytes > 0) yield take(Buffer.alloc(0));
}

/** Returns the index of the next line end. JSON has no raw line break within a string, so each one ends a line. */
function lineEnd(chunk: Buffer, from: number): number {
  const lf = chunk.indexOf(LF, from);
  const cr = (lf === -1 ? chunk : chunk.subarray(0, lf)).indexOf(CR, from);
  return cr === -1 ? lf : cr;
}
