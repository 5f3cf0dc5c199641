import type { ServerFrame } from '@bulk/contracts';
import type { UpdateRecorder } from '../subscriptions/update-recorder.ts';

/**
 * Why the server has ended a connection.
 *
 * The reasons: no sign of life, an expired token, no subscription, frames beyond the limit, the
 * server's own stop.
 */
export type EndReason = 'unresponsive' | 'token_expired' | 'not_subscribed' | 'rate_limited' | 'stopping';

/** Records what happens to connections. Its functions never throw. */
export interface ConnectionRecorder extends UpdateRecorder {
  opened(): void;
  /** Records that a request for a connection was refused. */
  refused(code: string): void;
  ended(reason: EndReason): void;
  /** Records that a client's frame beyond the limit was refused. */
  limited(): void;
  sent(event: ServerFrame['event']): void;
}
