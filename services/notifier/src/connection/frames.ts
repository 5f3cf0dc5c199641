import { clientFrameSchema, type ClientFrame, type ServerFrame } from '@bulk/contracts';
import { DependencyError, InvalidInputError, type CodedError, type InputErrorCode } from '@bulk/domain';

/** The frames that a client may send. */
export const CLIENT_FRAMES =
  '{"event":"subscribe","data":"<actionId>"}, {"event":"unsubscribe","data":"<actionId>"}, ' +
  '{"event":"subscribeAccount","data":{"since":"<ISO instant>"}} (data may be absent) or {"event":"unsubscribeAccount"}';

const EXPECTED_EVENT = 'expected "subscribe", "unsubscribe", "subscribeAccount" or "unsubscribeAccount"';
const EXPECTED_FRAME = `expected one JSON text frame: ${CLIENT_FRAMES}`;

/**
 * Parses a client's frame.
 *
 * @throws InvalidInputError `INVALID_JSON` or `INVALID_FRAME` that names the field at fault.
 */
export function parseClientFrame(bytes: Buffer, isBinary: boolean): ClientFrame {
  if (isBinary) throw invalid('INVALID_FRAME', 'this frame is binary');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid('INVALID_JSON', 'this frame is not JSON');
  }
  const result = clientFrameSchema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidInputError(
    'INVALID_FRAME',
    EXPECTED_FRAME,
    result.error.issues.map(({ path, message, code }) =>
      code === 'invalid_union'
        ? { field: 'event', message: EXPECTED_EVENT }
        : { field: path.map(String).join('.') || '(frame)', message },
    ),
  );
}

function invalid(code: InputErrorCode, message: string): InvalidInputError {
  return new InvalidInputError(code, `${EXPECTED_FRAME}; ${message}`, [{ field: '(frame)', message }]);
}

const UNAVAILABLE = 'a part that is needed for this is unavailable now; try again';
const FAILED = 'an unforeseen fault; it is in the log of the server';

/**
 * Builds the `error` event of a coded error with what a client may see. A driver's text is only for
 * the log.
 *
 * @param subject what the error is about: an `actionId` or an `accountId`.
 */
export function errorFrame(error: CodedError, subject: Readonly<Record<string, string>> = {}): ServerFrame {
  const retry = error.retryable ? { retryable: true } : {};
  const details = { ...error.details, ...subject, ...retry };
  return {
    event: 'error',
    data: {
      code: error.code,
      message: messageOf(error),
      ...(Object.keys(details).length === 0 ? {} : { details }),
    },
  };
}

function messageOf(error: CodedError): string {
  if (!(error instanceof DependencyError)) return error.message;
  return error.retryable ? UNAVAILABLE : FAILED;
}
