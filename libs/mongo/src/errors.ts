import { CodedError, isNetworkError } from '@bulk/domain';
import {
  MongoBulkWriteError,
  MongoError,
  MongoErrorLabel,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb';

/** A unique index refused a value. */
export const DUPLICATE_KEY = 11_000;

/** Server codes that a later try may not meet: elections, shutdowns, write conflicts, time-outs. */
const TRANSIENT_CODES = new Set([
  6, 7, 89, 91, 112, 134, 189, 202, 262, 9_001, 10_107, 11_600, 11_602, 13_435, 13_436,
]);

/** Driver errors that it does not export: the pool was cleared by a fault, or no connection came free in time. */
const TRANSIENT_NAMES = new Set(['MongoPoolClearedError', 'MongoWaitQueueTimeoutError']);

/** Code of a StoreError that passes by itself. */
export const STORE_UNAVAILABLE = 'STORE_UNAVAILABLE';

/** Thrown in place of the driver's error where an operation failed as a whole. */
export class StoreError extends CodedError {
  constructor(cause: unknown) {
    const retryable = isTransientMongoError(cause);
    super(retryable ? STORE_UNAVAILABLE : 'STORE_FAILED', `MongoDB: ${messageOf(cause)}`, {
      retryable,
      cause,
    });
  }
}

/** Whether the same operation may succeed later: network faults, elections, time-outs, write conflicts. */
export function isTransientMongoError(error: unknown): boolean {
  if (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    (error instanceof Error && TRANSIENT_NAMES.has(error.name))
  ) {
    return true;
  }
  // The driver lets the socket's own errors through where a write meets a connection that is just ending.
  if (!(error instanceof MongoError)) return isNetworkError(error);
  if (
    error.hasErrorLabel(MongoErrorLabel.RetryableWriteError) ||
    error.hasErrorLabel(MongoErrorLabel.TransientTransactionError)
  ) {
    return true;
  }
  if (error instanceof MongoBulkWriteError && error.result.hasWriteErrors()) return false;
  // A bulk write whose connection ended comes as one that failed, with the network's fault inside.
  if (error instanceof MongoBulkWriteError && isTransientMongoError(error.errorResponse)) return true;
  return (
    (error instanceof MongoServerError || error instanceof MongoBulkWriteError) &&
    typeof error.code === 'number' &&
    TRANSIENT_CODES.has(error.code)
  );
}

/** Awaits an operation of the driver. @throws StoreError in place of the driver's error. */
export async function stored<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw new StoreError(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
