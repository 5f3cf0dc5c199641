import { CodedError } from '@bulk/domain';

/** Thrown when a client sends more frames than it may. */
export class RateLimitedError extends CodedError {
  /** @param retryAfterMs time until another frame may pass, in ms. */
  constructor(retryAfterMs: number) {
    super('RATE_LIMITED', `too many frames; try again in ${Math.ceil(retryAfterMs / 1_000)} s`, {
      retryable: true,
      details: { retryAfterMs: Math.ceil(retryAfterMs) },
    });
  }
}
