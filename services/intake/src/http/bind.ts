import type Router from '@koa/router';
import { actionPathSchema, type Operation } from '@bulk/contracts';
import { actionIdSchema, InvalidInputError } from '@bulk/domain';
import type { Context } from 'koa';
import type { z } from 'zod';
import { accountOf } from './admission.ts';
import { validate } from './validate.ts';

/** An admitted and validated request, as an operation's handler gets it. */
export interface OperationRequest<O extends Operation> {
  readonly ctx: Context;
  readonly accountId: string;
  readonly query: O extends { readonly query: infer Query extends z.ZodType } ? z.output<Query> : undefined;
  /** The id of the action in the path. */
  readonly actionId: O extends { readonly pathParameters: typeof actionPathSchema } ? string : undefined;
  /** The validated parameters in the path. */
  readonly path: O extends { readonly pathParameters: infer Path extends z.ZodObject }
    ? z.output<Path>
    : undefined;
}

/**
 * What a handler returns: the answer without its envelope for an operation that answers in JSON.
 *
 * For any other operation it returns nothing and writes the answer itself.
 */
export type OperationAnswer<O extends Operation> = O['success']['content'] extends {
  readonly 'application/json': { readonly schema: infer Schema extends z.ZodType };
}
  ? Omit<z.input<Schema>, 'success'>
  : undefined;

/**
 * Routes an operation to its handler.
 *
 * It validates the query, finds and counts the account, reads the path, and wraps the answer.
 *
 * @throws TypeError for an operation whose handler admits requests itself; see `bindUnadmitted`.
 */
export function bind<const O extends Operation>(
  router: Router,
  operation: O,
  handle: (request: OperationRequest<O>) => Promise<OperationAnswer<O>> | OperationAnswer<O>,
): void {
  if (operation.admittedBy === 'handler') throw new TypeError(`${operation.operationId} admits its requests`);
  route(router, operation, async (ctx) => {
    const query = operation.query === undefined ? undefined : validate(operation.query, ctx.query);
    const accountId = await accountOf(ctx, accountIn(query));
    const actionId = operation.pathParameters === actionPathSchema ? actionIdOf(ctx) : undefined;
    const path =
      actionId === undefined && operation.pathParameters !== undefined
        ? validate(operation.pathParameters, ctx['params'])
        : { id: actionId };
    // The types of all follow from the operation that created them.
    const request = { ctx, accountId, query, actionId, path } as OperationRequest<O>;
    answer(ctx, operation, await handle(request));
  });
}

/**
 * Routes an operation whose handler finds the account and validates the query itself.
 *
 * Such an operation has a body that decides both.
 *
 * @throws TypeError for any other operation.
 */
export function bindUnadmitted<const O extends Operation>(
  router: Router,
  operation: O,
  handle: (ctx: Context) => Promise<OperationAnswer<O>>,
): void {
  if (operation.admittedBy !== 'handler') throw new TypeError(`${operation.operationId} is admitted by bind`);
  route(router, operation, async (ctx) => answer(ctx, operation, await handle(ctx)));
}

function route(router: Router, { method, path }: Operation, handle: (ctx: Context) => Promise<void>): void {
  router[method](routePath(path), handle);
}

/** The path of an operation as the router writes it: `/bulk-actions/:id`. */
export function routePath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function answer(ctx: Context, { success }: Operation, given: object | undefined): void {
  if (given === undefined) return;
  ctx.status = success.status;
  ctx.body = { success: true, ...given };
}

function accountIn(query: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const accountId = query?.['accountId'];
  return typeof accountId === 'string' ? accountId : undefined;
}

/** Reads the id in the path. @throws InvalidInputError `INVALID_ID`. */
function actionIdOf(ctx: Context): string {
  const { id } = ctx['params'] as { id?: string };
  const parsed = actionIdSchema.safeParse(id?.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('INVALID_ID', 'the id is not that of an action', [
    { field: 'id', message: 'expected a UUID' },
  ]);
}
