import { InvalidInputError, type IncomingEntity, type RowIdentity } from '@bulk/domain';
import { checkEmptyLines } from './empty-lines.ts';
import { utf8Of } from './encoding.ts';
import { entityFault } from './entity.ts';
import { parseJson } from './json-text.ts';
import { RowFaults } from './place.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface NdjsonOptions {
  /** Maximum size of a line, in bytes. */
  readonly maxLineBytes: number;
  /** Maximum number of lines without an entity. */
  readonly maxEmptyLines: number;
  /** How the rows name their entities. @default by their ids */
  readonly identity?: RowIdentity | undefined;
  /** The charset that `content-type` declares. Default: UTF-8, or the one of a byte order mark. */
  readonly charset?: string | undefined;
}

/**
 * Reads the entities of newline-delimited JSON, one object per line. CR, LF and CRLF each end a line. Empty lines count
 * as lines and are ignored. It holds at most one line. A number that a double cannot hold becomes an `inexactNumber`.
 *
 * @throws InvalidInputError `INVALID_ENCODING`, `INVALID_ROW` or `ENTITY_TOO_LARGE`, naming up to 20 lines and the
 *   expected values.
 * @throws UnknownCharsetError, and the errors of `bytes`.
 */
export async function* ndjsonEntities(
  bytes: AsyncIterable<Uint8Array>,
  { maxLineBytes, maxEmptyLines, identity, charset }: NdjsonOptions,
): AsyncGenerator<IncomingEntity> {
  const faults = new RowFaults('NDJSON');
  let line = 0;
  let empty = 0;
  try {
    for await (const text of lines(utf8Of(bytes, charset), maxLineBytes)) {
      line += 1;
      if (text.trim() === '') {
        empty += 1;
        checkEmptyLines(empty, maxEmptyLines);
        continue;
      }
      const parsed = parseJson(text);
      const fault = parsed.ok
        ? entityFault(parsed.value, identity)
        : { field: '', message: `expected one JSON object per line, ${parsed.message}` };
      if (fault !== undefined)
        faults.add(`line ${line}${fault.field === '' ? '' : `: ${fault.field}`}`, fault.message);
      // The entity stays as it was sent: zod's copy would lack a field `__proto__`, which the handler refuses.
      else if (parsed.ok && !faults.found) yield parsed.value as IncomingEntity;
      faults.afterRow();
    }
  } catch (error) {
    // After a first fault, lines are read only to find more faults. A later error is not the reason of the refusal.
    faults.throwIfAny();
    throw error;
  }
  faults.throwIfAny();
}

async function* lines(bytes: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let line = 0;
  let afterCr = false;
  const take = (last: Buffer): string => {
    line += 1;
    const whole = pending.length === 0 ? last : Buffer.concat([...pending, last]);
    pending = [];
    pendingBytes = 0;
    if (whole.length > maxBytes) throw tooLong(line, maxBytes);
    return whole.toString();
  };
  for await (const chunk of bytes) {
    let start = afterCr && chunk[0] === LF ? 1 : 0;
    for (let end = lineEnd(chunk, start); end !== -1; end = lineEnd(chunk, start)) {
      yield take(chunk.subarray(start, end));
      start = end + (chunk[end] === CR && chunk[end + 1] === LF ? 2 : 1);
    }
    afterCr = chunk[chunk.length - 1] === CR;
    if (start >= chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxBytes) throw tooLong(line + 1, maxBytes);
  }
  if (pendingBytes > 0) yield take(Buffer.alloc(0));
}

/** Returns the index of the next line end. JSON has no raw line break within a string, so each one ends a line. */
function lineEnd(chunk: Buffer, from: number): number {
  const lf = chunk.indexOf(LF, from);
  const cr = (lf === -1 ? chunk : chunk.subarray(0, lf)).indexOf(CR, from);
  return cr === -1 ? lf : cr;
}

function tooLong(line: number, maxBytes: number): InvalidInputError {
  return new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
    { field: `line ${line}`, message: `expected at most ${maxBytes} bytes` },
  ]);
}
