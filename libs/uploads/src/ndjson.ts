import { fieldIssues } from '@bulk/actions';
import { incomingEntitySchema, InvalidInputError, type IncomingEntity } from '@bulk/domain';

const NEWLINE = 0x0a;

/**
 * The entities of newline-delimited JSON, one object per line; empty lines count as lines and are passed over. Holds one
 * line at most.
 *
 * @param maxLineBytes longest line.
 * @throws InvalidInputError naming the line and what was expected.
 */
export async function* ndjsonEntities(
  bytes: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<IncomingEntity> {
  let line = 0;
  for await (const text of lines(bytes, maxLineBytes)) {
    line += 1;
    if (text.trim() !== '') yield entityOf(text, line);
  }
}

function entityOf(text: string, line: number): IncomingEntity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidLine(line, '', `expected a JSON object: ${error instanceof Error ? error.message : ''}`);
  }
  return checkedEntity(value, (field, message) => invalidLine(line, field, message));
}

/**
 * The entity as it was sent, where it is one; zod's copy would lack a field `__proto__`, which is the handler's to refuse.
 *
 * @throws what `refuse` makes of the first fault.
 */
export function checkedEntity(
  value: unknown,
  refuse: (field: string, message: string) => Error,
): IncomingEntity {
  const parsed = incomingEntitySchema.safeParse(value);
  if (parsed.success) return value as IncomingEntity;
  const [issue] = fieldIssues(parsed.error);
  throw refuse(issue?.field ?? '', issue?.message ?? 'expected an object with an id');
}

async function* lines(bytes: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  // One decoder for all: it refuses broken UTF-8, and takes a byte order mark away from the first line only.
  let decoder = new TextDecoder('utf-8', { fatal: true });
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let line = 0;
  const take = (last: Buffer): string => {
    line += 1;
    const whole = pending.length === 0 ? last : Buffer.concat([...pending, last]);
    pending = [];
    pendingBytes = 0;
    if (whole.length > maxBytes) throw tooLong(line, maxBytes);
    try {
      return decoder.decode(whole);
    } catch {
      throw invalidLine(line, '', 'expected UTF-8');
    } finally {
      if (line === 1) decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    }
  };
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield take(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxBytes) throw tooLong(line + 1, maxBytes);
  }
  if (pendingBytes > 0) yield take(Buffer.alloc(0));
}

function tooLong(line: number, maxBytes: number): InvalidInputError {
  return new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
    { field: `line ${line}`, message: `expected at most ${maxBytes} bytes` },
  ]);
}

function invalidLine(line: number, field: string, message: string): InvalidInputError {
  return new InvalidInputError('INVALID_ROW', `line ${line} is not an entity`, [
    { field: field === '' ? `line ${line}` : `line ${line}: ${field}`, message },
  ]);
}
