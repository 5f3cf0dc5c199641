import { createRequire } from 'node:module';
import { MongoBulkWriteError, type BulkWriteResult, type WriteConcernError, type WriteError } from 'mongodb';

/** Classes of the driver that it does not export. */
const driver = createRequire(import.meta.url)('mongodb/lib/bulk/common.js') as {
  readonly BulkWriteResult: new (raw: object, isOrdered: boolean) => BulkWriteResult;
  readonly WriteError: new (raw: object) => WriteError;
  readonly WriteConcernError: new (raw: object) => WriteConcernError;
};

/** An error of one write: its code, and its index unless the index is that of the code in its list. */
export type Refused = number | { readonly code: number; readonly index: number; readonly errmsg?: string };

const writeErrorsOf = (refused: readonly Refused[]): WriteError[] =>
  refused.map((one, i) => {
    const { errmsg = 'refused', ...rest } = typeof one === 'number' ? { code: one, index: i } : one;
    return new driver.WriteError({ ...rest, errmsg, errInfo: {}, op: {} });
  });

function resultOf(
  writeErrors: readonly WriteError[],
  concerns: readonly WriteConcernError[],
): BulkWriteResult {
  const raw = { ok: 1, writeErrors, writeConcernErrors: concerns, insertedIds: [], upserted: [] };
  return new driver.BulkWriteResult(raw, false);
}

/** The driver's error if MongoDB answered every operation and refused some. */
export function refusing(...refused: readonly Refused[]): MongoBulkWriteError {
  const writeErrors = writeErrorsOf(refused);
  const code = writeErrors[0]?.code ?? 0;
  return new MongoBulkWriteError({ message: 'refused', code, writeErrors }, resultOf(writeErrors, []));
}

/** The driver's error if a command failed as a whole, after commands whose writes were refused in part. */
export function brokenOff(cause: Error, ...refused: readonly Refused[]): MongoBulkWriteError {
  return new MongoBulkWriteError(cause, resultOf(writeErrorsOf(refused), []));
}

/** The driver's error if the write concern was not met, and some writes were refused. */
export function unconfirmed(code: number, ...refused: readonly Refused[]): MongoBulkWriteError {
  const concern = new driver.WriteConcernError({ code, errmsg: 'waiting for replication timed out' });
  const writeErrors = writeErrorsOf(refused);
  const result = resultOf(writeErrors, [concern]);
  return new MongoBulkWriteError(
    writeErrors.length === 0 ? concern : { message: 'refused', code: writeErrors[0]!.code, writeErrors },
    result,
  );
}
