import { CodedError } from '@bulk/domain';

/** Thrown when a message decodes as Avro and yet says something impossible; never retryable. */
export class MalformedMessageError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('MALFORMED_MESSAGE', message, { cause });
  }
}
