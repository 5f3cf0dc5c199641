import type Router from '@koa/router';
import type { Middleware } from 'koa';
import { routeOf } from './route-of.ts';

/** Records requests. Its functions never throw. */
export interface HttpRecorder {
  began(): void;
  /**
   * Called when the answer is sent, or the client is gone.
   *
   * @param route the pattern that answers; `undefined` if there is none.
   */
  ended(request: {
    readonly method: string;
    readonly route: string | undefined;
    readonly status: number;
    readonly seconds: number;
  }): void;
}

/** Records each request up to the last byte of its answer. */
export function measure(recorder: HttpRecorder, routers: readonly Router[]): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    // Read here, because an error in an event listener ends the process.
    const { method, res } = ctx;
    const route = routeOf(ctx, routers);
    recorder.began();
    res.once('close', () => {
      const seconds = (performance.now() - startedAt) / 1_000;
      recorder.ended({ method, route, status: res.statusCode, seconds });
    });
    await next();
  };
}
