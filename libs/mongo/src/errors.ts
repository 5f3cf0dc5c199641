import { DependencyError, isNetworkError, messageOf, type FaultKind } from '@bulk/domain';
import {
  MongoBulkWriteError,
  MongoError,
  MongoErrorLabel,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  type WriteError,
} from 'mongodb';

/** Server code of a value that a unique index refused. */
export const DUPLICATE_KEY = 11_000;

/**
 * Kind of fault → server codes. The code of a command in none of these lists is `unknown`, and only the codes of
 * `request` are the fault of a command: a server that refuses every request must never turn entities into failures.
 *
 * An error of a single write is the other way round: it is the fault of the document unless its code names a state of
 * the server.
 */
export const MONGO_CODES: Readonly<Partial<Record<FaultKind, readonly number[]>>> = {
  unreachable: [6, 7, 50, 89, 202, 262, 9_001],
  // Also a shutdown, a lock or a write conflict, a move of the collection, and a write that no majority has confirmed.
  election: [
    24, 46, 64, 70, 91, 100, 107, 112, 117, 133, 134, 150, 189, 249, 290, 314, 325, 332, 355, 365, 10_058,
    10_107, 11_600, 11_601, 11_602, 13_388, 13_435, 13_436,
  ],
  authentication: [11, 18, 391],
  authorisation: [13],
  // Also a limit of requests: 462 of MongoDB, 16500 of services that speak its protocol.
  quota: [462, 8_000, 16_500],
  'write-block': [371],
  'disk-full': [14_031],
  'out-of-memory': [146],
  // An internal error, an error of the storage engine, a query that was killed, too many open files.
  unknown: [1, 8, 175, 264],
  request: [
    // A value, a type, an operator or a path that is not valid.
    2,
    9,
    14,
    15,
    16,
    22,
    28,
    40,
    52,
    53,
    54,
    55,
    56,
    57,
    66,
    168,
    171,
    // A rule of the collection, a unique index, a place on the globe.
    121,
    11_001,
    12_582,
    16_755,
    DUPLICATE_KEY,
    // A document or a key that is too large.
    10_334,
    17_280,
    17_419,
    17_420,
  ],
};

const KIND_OF_CODE: ReadonlyMap<number, FaultKind> = new Map(
  Object.entries(MONGO_CODES).flatMap(([kind, codes]) =>
    codes.map((code): [number, FaultKind] => [code, kind as FaultKind]),
  ),
);

/**
 * Names of driver errors that the driver does not export: a fault cleared the pool, or no connection became free in
 * time.
 */
const UNREACHABLE_NAMES = new Set(['MongoPoolClearedError', 'MongoWaitQueueTimeoutError']);

/** Code of a StoreError that ends by itself, or once an operator has repaired MongoDB. */
export const STORE_UNAVAILABLE = 'STORE_UNAVAILABLE';

/** Thrown in place of the driver's error if an operation failed as a whole. Its message is for logs only. */
export class StoreError extends DependencyError {
  constructor(cause: unknown) {
    const fault = mongoFault(cause);
    super(
      fault === 'request' ? 'STORE_FAILED' : STORE_UNAVAILABLE,
      `MongoDB (${fault}): ${messageOf(cause)}`,
      fault,
      cause,
    );
  }
}

/**
 * Returns why MongoDB failed an operation. An error that comes neither from MongoDB nor from the network is a fault of
 * ours.
 */
export function mongoFault(error: unknown): FaultKind {
  if (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    (error instanceof Error && UNREACHABLE_NAMES.has(error.name))
  ) {
    return 'unreachable';
  }
  // The driver passes on the socket's own errors if a write meets a connection that is just ending.
  if (!(error instanceof MongoError)) return isNetworkError(error) ? 'unreachable' : 'request';
  if (error instanceof MongoInvalidArgumentError) return 'request';
  if (error instanceof MongoBulkWriteError) return bulkWriteFault(error);
  const known = knownKind(error);
  if (known !== undefined) return known;
  return error.hasErrorLabel(MongoErrorLabel.RetryableWriteError) ||
    error.hasErrorLabel(MongoErrorLabel.TransientTransactionError)
    ? 'election'
    : 'unknown';
}

/** Returns whether MongoDB as a whole fails: a network fault, an election, a missing right, a full disk. */
export function isStoreOutage(error: unknown): boolean {
  return mongoFault(error) !== 'request';
}

/**
 * Returns the error of each write that MongoDB refused, if MongoDB answered every operation of a bulk write.
 *
 * The driver sends a large bulk write as several commands. If one of them fails as a whole, later ones are not sent,
 * although the driver's error names the writes that earlier ones refused. A write that no majority has confirmed may
 * be undone, so a write concern error leaves the other operations without an answer too.
 *
 * @returns `undefined` if some operation has no answer.
 */
export function refusedWrites(error: unknown): readonly WriteError[] | undefined {
  if (!(error instanceof MongoBulkWriteError) || error.errorResponse instanceof Error) return undefined;
  const { result, writeErrors } = error;
  // The driver sets `writeErrors` only when it has sent every command.
  const isAnswered =
    [writeErrors].flat().length > 0 && result.isOk() && result.getWriteConcernError() === undefined;
  return isAnswered ? result.getWriteErrors() : undefined;
}

/** Returns the fault of one write of a bulk write. It is the document's own unless its code names a state of the server. */
export function writeFault(code: number): FaultKind {
  return KIND_OF_CODE.get(code) ?? 'request';
}

/** Returns the fault of a bulk write. If a write met a state of the server, that state decides. */
function bulkWriteFault(error: MongoBulkWriteError): FaultKind {
  const refused = refusedWrites(error);
  if (refused !== undefined)
    return refused.map(({ code }) => writeFault(code)).find((kind) => kind !== 'request') ?? 'request';
  const { errorResponse, result } = error;
  const concern = result.getWriteConcernError();
  if (concern !== undefined) {
    const kind = KIND_OF_CODE.get(Number(concern.code));
    // No write concern is the fault of a document.
    return kind === undefined || kind === 'request' ? 'unknown' : kind;
  }
  // If its connection ended, a bulk write counts as failed, with the network's fault inside.
  if (errorResponse instanceof Error) return mongoFault(errorResponse);
  return knownKind(error) ?? 'unknown';
}

function knownKind(error: MongoError): FaultKind | undefined {
  return error instanceof MongoServerError && typeof error.code === 'number'
    ? KIND_OF_CODE.get(error.code)
    : undefined;
}

/** Awaits an operation of the driver. @throws StoreError in place of the driver's error. */
export async function stored<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw new StoreError(error);
  }
}

/** Returns whether an error says that a write would have made a unique value occur twice. */
export function isDuplicateKey(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : undefined;
  return cause instanceof MongoServerError && cause.code === DUPLICATE_KEY;
}
