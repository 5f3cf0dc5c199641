import type { AnyBulkWriteOperation, Collection } from 'mongodb';
import { MongoInvalidArgumentError } from 'mongodb';
import type { EntityDocument } from './documents.ts';
import { DUPLICATE_KEY, refusedWrites, StoreError, writeFault } from './errors.ts';

/**
 * Why one operation of a bulk write was not carried out.
 *
 * `duplicate`: the unique index `index` refused it; empty if the server does not name the index. `document`: MongoDB
 * refuses the document for another reason that lies in it. `failed`: another error, which says whether a retry may
 * succeed.
 */
export type Refusal =
  | { readonly kind: 'duplicate'; readonly index: string }
  | { readonly kind: 'document' }
  | { readonly kind: 'failed'; readonly error: StoreError };

/** What MongoDB answered to the operations of a bulk write. */
export interface BulkAnswer {
  /** Number of operations that matched or inserted an entity; -1 if some were refused. */
  readonly done: number;
  /** Index of each operation that inserted an entity; empty if some operations were refused. */
  readonly inserted: ReadonlySet<number>;
  /** Index of an operation → why it was not carried out. */
  readonly refusals: ReadonlyMap<number, Refusal>;
}

const DOCUMENT: Refusal = Object.freeze({ kind: 'document' });

/**
 * Returns the answer to a bulk write from the driver's error.
 *
 * @throws StoreError if some operation has no answer, so that nothing is known about any of them.
 */
export function answerOf(error: unknown): BulkAnswer {
  const refused = refusedWrites(error);
  if (refused === undefined) throw new StoreError(error);
  return {
    done: -1,
    inserted: new Set(),
    refusals: new Map(
      refused.map(({ index, code, errmsg }) => [index, refusalOf(code, errmsg, () => new StoreError(error))]),
    ),
  };
}

function refusalOf(code: number, message: string | undefined, failed: () => StoreError): Refusal {
  if (code === DUPLICATE_KEY) return { kind: 'duplicate', index: indexName(message) };
  return writeFault(code) === 'request' ? DOCUMENT : { kind: 'failed', error: failed() };
}

/** `E11000 duplicate key error collection: bulk.contacts index: _id_ dup key: { … }` */
function indexName(message: string | undefined): string {
  return / index: (\S+) /.exec(message ?? '')?.[1] ?? '';
}

/**
 * Returns the operations that the driver itself refuses: they are too large, or cannot be encoded. It refuses a whole
 * bulk write because of one of them, and then sends nothing.
 */
export function unsendable(
  collection: Collection<EntityDocument>,
  operations: readonly AnyBulkWriteOperation<EntityDocument>[],
): ReadonlyMap<number, Refusal> {
  const refusals = new Map<number, Refusal>();
  operations.forEach((operation, i) => {
    try {
      // Encodes the operation. The bulk write is never executed.
      collection.initializeUnorderedBulkOp().raw(operation as AnyBulkWriteOperation);
    } catch (error) {
      refusals.set(
        i,
        error instanceof MongoInvalidArgumentError
          ? DOCUMENT
          : { kind: 'failed', error: new StoreError(error) },
      );
    }
  });
  return refusals;
}
