import { RestError } from '@bulk/contracts';
import { StoreError } from '@bulk/mongo';

/** Returns the error of a read: a refusal or a StoreError as it is, and any other one as a StoreError. */
export function readError(error: unknown): RestError | StoreError {
  return error instanceof RestError || error instanceof StoreError ? error : new StoreError(error);
}
