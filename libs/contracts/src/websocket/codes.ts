/** Every code of an `error` frame, and when a client gets it. A test finds a code that is not here. */
export const WEBSOCKET_ERROR_CODES = {
  INVALID_JSON: 'The frame is not JSON.',
  INVALID_FRAME: 'The frame is binary, or its event or data is not one that the server knows.',
  ACCOUNT_REQUIRED: 'The frame needs an account, and the connection names none.',
  ACTION_NOT_FOUND: 'The account has no such action.',
  RATE_LIMITED:
    'The account, or a connection without one, has sent too many frames. `details.retryAfterMs` says when to try again.',
  TOO_MANY_SUBSCRIPTIONS: 'The connection has as many subscriptions as it may have.',
  TOO_MANY_ACCOUNT_SUBSCRIPTIONS:
    'The account has as many subscriptions as it may have. An account subscription needs one for each action that it shows.',
  TOO_MANY_ACTIONS:
    'The account has more actions than an account subscription may show. The subscription has ended.',
  SUBSCRIPTIONS_EXHAUSTED: 'This process has as many subscriptions as it may have. Try again.',
  STORE_UNAVAILABLE: 'The database is unavailable. Try again.',
  STORE_FAILED: 'The database refused the request for a reason that no other try changes.',
  INTERNAL_ERROR: 'An unforeseen fault. Try again.',
} as const satisfies Readonly<Record<string, string>>;

/** Close codes of the server. */
export const CLOSE_CODES = {
  goingAway: 1001,
  tokenExpired: 4401,
  notSubscribed: 4408,
  rateLimited: 4429,
} as const;

/**
 * Close code → why the server closes the connection. Codes 4xxx are ours; their last digits are those of HTTP statuses.
 */
export const WEBSOCKET_CLOSE_CODES: Readonly<Record<number, string>> = {
  [CLOSE_CODES.goingAway]: 'The service stops. Connect again.',
  1002: 'A frame broke the protocol.',
  1007: 'A text frame was not UTF-8.',
  1009: 'A frame was larger than MAX_MESSAGE_BYTES.',
  [CLOSE_CODES.tokenExpired]: 'The token has expired. Connect with another one.',
  [CLOSE_CODES.notSubscribed]:
    'The connection names no account and follows nothing for SUBSCRIBE_TIMEOUT_MS.',
  [CLOSE_CODES.rateLimited]:
    'The client continued to send after `RATE_LIMITED`. Wait before connecting again.',
};
