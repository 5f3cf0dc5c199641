import { integer } from '@bulk/runtime';

const MAX_FRAMES = 10_000_000;

/** Variables of the limits on client frames. */
export const frameLimitConfigShape = {
  WS_RATE_LIMIT_MAX: integer(
    { min: 1, max: MAX_FRAMES },
    10_000,
    'Maximum number of frames that the clients of one account send in any window, over all instances. While Redis is unavailable each instance applies the limit by itself.',
  ),
  WS_RATE_LIMIT_UNNAMED_MAX: integer(
    { min: 1, max: MAX_FRAMES },
    300,
    'Maximum number of frames that a connection without an account sends in a window.',
  ),
  WS_RATE_LIMIT_WINDOW_MS: integer(
    { min: 100, max: 86_400_000 },
    60_000,
    'Length of the window of the frame limits, in ms.',
  ),
  WS_RATE_LIMIT_TIMEOUT_MS: integer(
    { min: 10, max: 60_000 },
    500,
    'Maximum wait of a frame for Redis, in ms. After this time the instance applies the limit by itself for a second.',
  ),
};
