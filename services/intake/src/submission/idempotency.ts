import { RestError } from '@bulk/contracts';
import { instantAfter, isAccepted } from '@bulk/domain';
import {
  claimingUpload,
  DUPLICATE_KEY,
  isUploadClaimed,
  stored,
  StoreError,
  uploadClaimedAs,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import { MongoServerError } from 'mongodb';

/** How a caller identifies its request. */
export interface IdempotencyKey {
  /** Unique within the account. */
  readonly key: string;
  /** Returns the digest of the request. Called when its body has been read to the end. */
  readonly digest: () => string;
  /**
   * Returns what the digest covers, to be read to its end; absent if the entities are that. It depends on nothing that
   * may have changed since the first request, such as a saved mapping or the retries of an action.
   */
  readonly body?: () => Iterable<unknown> | AsyncIterable<unknown>;
}

export interface IdempotencyOptions {
  /** Time without progress after which an upload loses its key to a new request, in ms. */
  readonly staleMs: number;
  /** How long a write of such an upload may still arrive at MongoDB, in ms. */
  readonly lateWriteMs: number;
  readonly now: () => Date;
}

/**
 * Stores idempotency keys with the actions that they belong to.
 *
 * The unique index on the key decides between simultaneous requests. A refused or broken-off upload
 * frees its key with its document.
 */
export class IdempotencyKeys {
  readonly #database: Database;
  readonly #options: IdempotencyOptions;

  constructor(database: Database, options: IdempotencyOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Finds the action that was accepted under a key; `undefined` if the key is free.
   *
   * An upload that died with its process would hold its key until the janitor runs. So an upload
   * without progress loses the key here. A claim on its document then excludes its acceptance.
   *
   * @throws RestError `IDEMPOTENCY_IN_PROGRESS` while another upload has the key; StoreError.
   */
  async find(accountId: string, key: string): Promise<ActionDocument | undefined> {
    const found = await stored(this.#database.actions.findOne({ accountId, 'idempotency.key': key }));
    if (found === null) return undefined;
    if (isAccepted(found.status)) return found;
    if (await this.#take(found)) return undefined;
    throw inProgress(key);
  }

  async #take(upload: ActionDocument): Promise<boolean> {
    const { staleMs, lateWriteMs, now } = this.#options;
    const at = now();
    const claimed = isUploadClaimed(upload);
    if (!claimed && at.getTime() - upload.updatedAt.getTime() < staleMs) return false;
    const claim = { reason: 'superseded', until: instantAfter(at, lateWriteMs) } as const;
    const taken = await stored(
      this.#database.actions.updateOne(
        { _id: upload._id, updatedAt: upload.updatedAt, ...uploadClaimedAs(upload) },
        { ...(claimed ? {} : { $set: claimingUpload(claim) }), $unset: { idempotency: '' } },
      ),
    );
    return taken.matchedCount > 0;
  }
}

/** Returns whether an action could not be stored because another one has its key. */
export function isKeyTaken(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    error.cause instanceof MongoServerError &&
    error.cause.code === DUPLICATE_KEY
  );
}

export function inProgress(key: string): RestError {
  return new RestError(
    'IDEMPOTENCY_IN_PROGRESS',
    `another request with the Idempotency-Key ${key} is being carried out: try again in a moment`,
  );
}

/**
 * @throws RestError `IDEMPOTENCY_KEY_REUSED` if the request is not the one that created the action.
 */
export function checkSameRequest(action: ActionDocument, { key, digest }: IdempotencyKey): void {
  if (action.idempotency?.digest === digest()) return;
  throw new RestError(
    'IDEMPOTENCY_KEY_REUSED',
    `the Idempotency-Key ${key} belongs to another request, which is action ${action._id}: use a new key`,
    { details: { actionId: action._id } },
  );
}
