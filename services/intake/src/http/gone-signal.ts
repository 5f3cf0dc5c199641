import type { Context } from 'koa';

/** Returns a signal that aborts when the client leaves before its answer was sent. */
export function goneSignal({ res }: Pick<Context, 'res'>): AbortSignal {
  const gone = new AbortController();
  const look = (): void => {
    if (!res.writableFinished) gone.abort(new Error('the client is gone'));
  };
  if (res.closed) look();
  else res.once('close', look);
  return gone.signal;
}
