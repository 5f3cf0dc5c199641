import { RestError, type RetryParameters } from '@bulk/contracts';
import type { IncomingRow } from '@bulk/domain';
import { withSource, type RowSource, type SourceFile } from '@bulk/uploads';
import type { FailedRow } from '../submission/failed-entities.ts';
import type { Corrections } from './corrections.ts';
import type { PositionSet } from './position-set.ts';
import { withOrigin } from './row-origin.ts';

export interface Selection {
  readonly actionId: string;
  /** Number of positions of the action. */
  readonly total: number;
  /** Positions of the first action that other retries have fixed. */
  readonly fixed: PositionSet;
  /** Positions of the first action that other retries try. */
  readonly open: PositionSet;
  /** Only failures of these codes. Absent: all, or none if there are corrections. */
  readonly codes: RetryParameters['codes'];
  readonly corrections: Corrections | undefined;
  /** The CSV file of the action. The rows keep its columns, unless some of them are corrected. */
  readonly file: SourceFile | undefined;
}

/**
 * Selects the failed rows that a retry tries, with corrections in place of what was sent.
 *
 * @throws InvalidInputError if a correction is at fault; RestError `NOTHING_TO_RETRY` if no failure
 * is left, or none of a code; what `failed` throws.
 */
export async function* selectedRows(
  failed: AsyncIterable<FailedRow>,
  { actionId, total, fixed, open, codes, corrections, file }: Selection,
): AsyncGenerator<IncomingRow> {
  const isSelected = codes === undefined ? () => corrections === undefined : has(new Set(codes));
  const found = new Set<string>();
  let rows = 0;
  for await (const failure of failed) {
    const isLeftOut = fixed.has(failure.origin) || open.has(failure.origin);
    const corrected = corrections?.correct(failure, isLeftOut);
    if (isLeftOut) continue;
    found.add(failure.code);
    if (corrected === undefined && !isSelected(failure.code)) continue;
    rows += 1;
    const row = withOrigin(corrected ?? failure.row, failure.origin);
    yield file === undefined || corrections !== undefined ? row : withSource(row, sourceIn(file, failure));
  }
  corrections?.finish(total);
  const missing = (codes ?? []).filter((code) => !found.has(code));
  if (missing.length > 0) throw noneOfCodes(actionId, missing);
  if (rows === 0) throw nothingToRetry(actionId);
}

function sourceIn(file: SourceFile, { position, source }: FailedRow): RowSource {
  return { text: source ?? null, line: position + 1, own: NONE, isAligned: true, file };
}

const NONE: ReadonlyMap<string, string> = new Map();

function has(codes: ReadonlySet<string>): (code: string) => boolean {
  return (code) => codes.has(code);
}

function noneOfCodes(actionId: string, codes: readonly string[]): RestError {
  return new RestError(
    'NOTHING_TO_RETRY',
    `no failed position of action ${actionId} has the code ${codes.join(', ')}`,
    { details: { codes } },
  );
}

/** Builds the refusal of a retry that would be empty. */
export function nothingToRetry(actionId: string): RestError {
  return new RestError(
    'NOTHING_TO_RETRY',
    `no failed position of action ${actionId} is left: other retries try or have fixed all of them`,
  );
}
