import type Router from '@koa/router';
import { accountQuerySchema } from '@bulk/contracts';
import type { ActionControl } from '../actions/action-control.ts';
import { toActionView } from '../actions/action-view.ts';
import type { RetryAction } from '../actions/retry-action.ts';
import { accountOf } from './admission.ts';
import { actionIdOf, BASE, succeeded } from './context.ts';
import { answerCreated } from './create-route.ts';
import { validate } from './validate.ts';

export interface ControlRoutesOptions {
  readonly control: ActionControl;
  readonly retryAction: RetryAction;
}

const CONTROLS = ['cancel', 'pause', 'resume'] as const;

/** What can be done with an action once it is accepted. None of these reads a body. */
export function addControlRoutes(router: Router, { control, retryAction }: ControlRoutesOptions): void {
  for (const name of CONTROLS) {
    router.post(`${BASE}/:id/${name}`, async (ctx) => {
      const { accountId } = validate(accountQuerySchema, ctx.query);
      const action = await control[name](await accountOf(ctx, accountId), actionIdOf(ctx));
      ctx.body = succeeded(toActionView(action));
    });
  }

  router.post(`${BASE}/:id/retry`, async (ctx) => {
    const { accountId } = validate(accountQuerySchema, ctx.query);
    answerCreated(ctx, await retryAction.execute(await accountOf(ctx, accountId), actionIdOf(ctx)));
  });
}
