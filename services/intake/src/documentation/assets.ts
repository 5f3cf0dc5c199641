import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
// Imports the path only: the package itself would load the whole of Swagger UI into this process.
import getSwaggerUiFolder from 'swagger-ui-dist/absolute-path.js';
import { initScript } from './page.ts';

/** A file of the documentation's page. */
export interface Asset {
  readonly name: string;
  readonly mediaType: string;
  readonly content: Buffer;
  readonly gzipped: Buffer;
  /**
   * Changes with the content. Part of the URL, so that a browser can keep each version for ever.
   */
  readonly version: string;
}

export const INIT_SCRIPT = 'init.js';
export const FAVICON = 'favicon-32x32.png';

const SWAGGER_UI_FILES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  [FAVICON]: 'image/png',
} as const;

/**
 * Loads the files of the documentation's page, and no others, from the installed package. They are
 * read once, at the first request.
 *
 * @param account filled in if a request needs an account; `undefined` for none.
 * @throws Error if the package is not installed.
 */
export function loadAssets(account: string | undefined): ReadonlyMap<string, Asset> {
  const folder = getSwaggerUiFolder();
  const files = Object.entries(SWAGGER_UI_FILES).map(([name, mediaType]) =>
    toAsset(name, mediaType, readFileSync(join(folder, name))),
  );
  const script = Buffer.from(initScript(account));
  const own = toAsset(INIT_SCRIPT, 'text/javascript; charset=utf-8', script);
  return new Map([...files, own].map((asset) => [asset.name, asset]));
}

function toAsset(name: string, mediaType: string, content: Buffer): Asset {
  const version = createHash('sha256').update(content).digest('hex').slice(0, 16);
  return { name, mediaType, content, gzipped: gzipSync(content), version };
}
