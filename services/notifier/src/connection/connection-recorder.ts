import type { ServerFrame } from '@bulk/contracts';

/** Why a state was replaced by a newer one before it was sent: it was not due yet, or its client reads too slowly. */
export type DropReason = 'interval' | 'slow_client';

/**
 * Why the server has ended a connection: no sign of life, a token that has expired, no subscription, frames beyond the
 * limit, its own stop.
 */
export type EndReason = 'unresponsive' | 'token_expired' | 'not_subscribed' | 'rate_limited' | 'stopping';

/** Is told what becomes of connections; its functions never throw. */
export interface ConnectionRecorder {
  opened(): void;
  /** A request for a connection was refused. */
  refused(code: string): void;
  ended(reason: EndReason): void;
  /** A frame of a client was refused since it is beyond the limit. */
  limited(): void;
  sent(event: ServerFrame['event']): void;
  dropped(reason: DropReason): void;
}
