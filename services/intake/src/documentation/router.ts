import { createHash } from 'node:crypto';
import Router from '@koa/router';
import type { Context } from 'koa';
import { FAVICON, loadAssets, type Asset } from './assets.ts';
import { CONTENT_SECURITY_POLICY, page } from './page.ts';

export interface DocumentationOptions {
  /** The OpenAPI document. */
  readonly openapi: object;
  /** The AsyncAPI document. */
  readonly asyncapi: object;
  /**
   * The account that the page fills in, so that everything can be tried at once; `undefined` for
   * none.
   */
  readonly account: string | undefined;
}

const BASE = '/api';
const A_YEAR_S = 31_536_000;

/**
 * Creates the routes of the interactive documentation.
 *
 * They serve the page at `/api`, its files, `openapi.json` and `asyncapi.json`.
 */
export function createDocumentationRouter({ openapi, asyncapi, account }: DocumentationOptions): Router {
  const router = new Router();
  const documents = { 'openapi.json': stored(openapi), 'asyncapi.json': stored(asyncapi) };
  let loaded: ReadonlyMap<string, Asset> | undefined;
  const assets = (): ReadonlyMap<string, Asset> => (loaded ??= loadAssets(account));

  router.get(BASE, (ctx) => {
    // Relative, so that a proxy may add a prefix: the page is at `api` and at `api/`.
    const folder = ctx.path.endsWith('/') ? '' : 'api/';
    ctx.set('content-security-policy', CONTENT_SECURITY_POLICY);
    protect(ctx);
    ctx.set('cache-control', 'no-cache');
    ctx.type = 'html';
    ctx.body = page((name) => {
      const version = assets().get(name)?.version;
      return `${folder}${name}${version === undefined ? '' : `?v=${version}`}`;
    });
  });

  for (const [name, { text, etag }] of Object.entries(documents)) {
    router.get(`${BASE}/${name}`, (ctx) => {
      protect(ctx);
      // The documents are public, and tools on other hosts read them.
      ctx.set('access-control-allow-origin', '*');
      ctx.set('cache-control', 'no-cache');
      ctx.type = 'json';
      answer(ctx, etag, text);
    });
  }

  // Browsers request this icon in addition to a JSON document.
  router.get('/favicon.ico', (ctx, next) => {
    const icon = assets().get(FAVICON);
    if (icon === undefined) return next();
    send(ctx, icon);
  });

  router.get(`${BASE}/:asset`, (ctx, next) => {
    const { asset: name } = ctx['params'] as { asset: string };
    const asset = assets().get(name);
    // Unknown names get the same answer as every path without content.
    if (asset === undefined) return next();
    send(ctx, asset);
  });

  return router;
}

function send(ctx: Context, { mediaType, content, gzipped, version }: Asset): void {
  protect(ctx);
  const forGood = ctx.query['v'] === version;
  ctx.set('cache-control', forGood ? `public, max-age=${A_YEAR_S}, immutable` : 'no-cache');
  ctx.vary('accept-encoding');
  const gzip = ctx.acceptsEncodings('gzip', 'identity') === 'gzip';
  if (gzip) ctx.set('content-encoding', 'gzip');
  ctx.type = mediaType;
  answer(ctx, gzip ? `"${version}-gzip"` : `"${version}"`, gzip ? gzipped : content);
}

/** Answers with the body, or with 304 if the client has it. */
function answer(ctx: Context, etag: string, body: string | Buffer): void {
  ctx.set('etag', etag);
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.remove('content-encoding');
    ctx.status = 304;
    return;
  }
  ctx.body = body;
}

function protect(ctx: Context): void {
  ctx.set('x-content-type-options', 'nosniff');
  ctx.set('referrer-policy', 'no-referrer');
}

function stored(document: object): { text: string; etag: string } {
  const text = JSON.stringify(document);
  return { text, etag: `"${createHash('sha256').update(text).digest('hex').slice(0, 16)}"` };
}
