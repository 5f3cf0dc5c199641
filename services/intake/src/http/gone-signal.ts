import type { Context } from 'koa';

/** Thrown to end the work on a request whose client left before its answer was sent. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor() {
    super('the client is gone');
  }
}

/** Returns a signal that aborts with a ClientGoneError when the client leaves before its answer was sent. */
export function goneSignal({ res }: Pick<Context, 'res'>): AbortSignal {
  const gone = new AbortController();
  const look = (): void => {
    if (!res.writableFinished) gone.abort(new ClientGoneError());
  };
  if (res.closed) look();
  else res.once('close', look);
  return gone.signal;
}
