import { isUtf8 } from 'node:buffer';
import { InvalidInputError } from '@bulk/domain';
import { parseJson } from '@bulk/uploads';
import type { EntityList, RequestBody } from './parse-request.ts';
import type { BodyReader } from './body-reader.ts';
import type { Share } from '../http/budget.ts';
import { JsonScanner, notJson, type ScannedList, type ScanLimits } from './json-scanner.ts';

/** The key of the list that may be long. */
const ENTITIES = 'entities';
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/**
 * Maximum size of a body without the entities, in bytes. Most of it is the config, which travels
 * with each batch.
 */
const MAX_OTHER_BYTES = 1_048_576;
/** Number of bytes that an escaped character takes for one byte of UTF-8. */
const ESCAPED_BYTES = 6;
/** Number of bytes that are held for an element in addition to its own. */
const BYTES_PER_ELEMENT = 8;
/** Text that starts like a JSON object or list. */
const BEGINS_LIKE_JSON = /^\s*[{[]/;

export interface JsonBodyOptions extends Omit<ScanLimits, 'maxOtherBytes'> {
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
}

/** A JSON body that has been read to its end, with its bytes. */
export interface JsonBody extends RequestBody {
  readonly bytes: Buffer;
}

/**
 * Reads the JSON body of a request.
 *
 * It holds the bytes and the place of each entity, and parses an entity on demand, so that a body
 * takes little more memory than it has bytes.
 *
 * @param share part of the bytes that bodies may hold. They are taken as they arrive.
 * @throws InvalidInputError `INVALID_JSON`, `INVALID_REQUEST`; what `reader` and `share` throw.
 */
export async function readJsonBody(
  reader: BodyReader,
  share: Share,
  { maxEntityBytes, ...limits }: JsonBodyOptions,
): Promise<JsonBody> {
  const scanner = new JsonScanner(ENTITIES, { ...limits, maxOtherBytes: MAX_OTHER_BYTES });
  const chunks: Buffer[] = [];
  let elements = 0;
  for await (const chunk of reader.bytes()) {
    scanner.write(chunk);
    const { length } = scanner.list ?? { length: 0 };
    share.take(chunk.length + BYTES_PER_ELEMENT * (length - elements));
    elements = length;
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw notJson();
  const { list } = scanner;
  if (list === undefined) return { bytes, rest: parsedObject(bytes), entities: undefined };
  if (list.end === -1) throw notJson();
  const rest = Buffer.concat([bytes.subarray(0, list.start), bytes.subarray(list.end)]);
  return { bytes, rest: parsedObject(rest), entities: new ScannedEntities(bytes, list, maxEntityBytes) };
}

/**
 * Parses an object. An absent body counts as an empty object, so that the missing fields are named.
 */
function parsedObject(bytes: Buffer): unknown {
  const marked = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const text = bytes.toString('utf8', marked ? BYTE_ORDER_MARK.length : 0);
  if (text === '') return {};
  if (!BEGINS_LIKE_JSON.test(text)) throw notJson();
  return parsed(text);
}

function parsed(text: string, where = '(body)'): unknown {
  const json = parseJson(text);
  if (json.ok) return json.value;
  throw notJson(where, json.message);
}

/** The entities of a body. Each is parsed on demand. */
class ScannedEntities implements EntityList {
  readonly #bytes: Buffer;
  readonly #list: ScannedList;
  readonly #maxBytes: number;

  constructor(bytes: Buffer, list: ScannedList, maxBytes: number) {
    this.#bytes = bytes;
    this.#list = list;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#list.length;
  }

  *[Symbol.iterator](): Generator {
    for (let i = 0; i < this.length; i += 1) yield this.#at(i);
  }

  #at(i: number): unknown {
    const start = this.#list.startOf(i);
    const end = i + 1 < this.length ? this.#list.startOf(i + 1) - 1 : this.#list.end;
    const where = `${ENTITIES}[${i}]`;
    // Far above the limit of an entity. What passes is measured again when it is stored.
    if (end - start > ESCAPED_BYTES * this.#maxBytes) {
      throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
        { field: where, message: `expected at most ${this.#maxBytes} bytes, found ${end - start}` },
      ]);
    }
    return parsed(this.#bytes.toString('utf8', start, end), where);
  }
}
