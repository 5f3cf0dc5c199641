import { isUtf8 } from 'node:buffer';
import { InvalidInputError } from '@bulk/domain';
import { parseJson } from '@bulk/uploads';
import type { EntityList, RequestBody } from './parse-request.ts';
import type { BodyReader } from './body-reader.ts';
import type { Share } from '../http/budget.ts';
import { JsonScanner, notJson, type ScannedList, type ScanLimits } from './json-scanner.ts';

/** The list that may be long. */
const ENTITIES = 'entities';
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** What beside the entities may be in a body, in bytes: the config above all, which travels with each batch. */
const MAX_OTHER_BYTES = 1_048_576;
/** An escaped character takes this many bytes where its UTF-8 takes one. */
const ESCAPED_BYTES = 6;
/** What is kept of an element beside its bytes. */
const BYTES_PER_ELEMENT = 8;
/** Text that begins like a JSON object or list. */
const BEGINS_LIKE_JSON = /^\s*[{[]/;

export interface JsonBodyOptions extends Omit<ScanLimits, 'maxOtherBytes'> {
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
}

/** A JSON body that has been read to its end, and its bytes. */
export interface JsonBody extends RequestBody {
  readonly bytes: Buffer;
}

/**
 * Reads the JSON body of a request. Holds its bytes, and where each entity lies; an entity is parsed when it is asked for,
 * so that a body takes little more memory than it has bytes.
 *
 * @param share of the bytes that bodies may hold; they are taken as they arrive.
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

/** An absent body counts as an object without a field, so that what is missing is named. */
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

/** The entities of a body, each parsed whenever it is asked for. */
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
    // Far above the limit of an entity: what this lets through is measured again, as it is stored.
    if (end - start > ESCAPED_BYTES * this.#maxBytes) {
      throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
        { field: where, message: `expected at most ${this.#maxBytes} bytes, found ${end - start}` },
      ]);
    }
    return parsed(this.#bytes.toString('utf8', start, end), where);
  }
}
