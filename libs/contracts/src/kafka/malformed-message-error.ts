import { CodedError } from '@bulk/domain';

/** Thrown when a message is not in the expected format, or its content is impossible. It is never retryable. */
export class MalformedMessageError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('MALFORMED_MESSAGE', message, { cause });
  }
}
