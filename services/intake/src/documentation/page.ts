import { ACCOUNT_SCHEME } from './document.ts';

/**
 * The content security policy of the page: nothing from another host, and only scripts and styles
 * from own files.
 *
 * Swagger UI's icons are `data:` images.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Builds the page. @param urlOf returns the URL of an asset, relative to the page. */
export function page(urlOf: (asset: string) => string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Bulk Action Platform: API</title>
    <link rel="icon" type="image/png" href="${urlOf('favicon-32x32.png')}" />
    <link rel="stylesheet" href="${urlOf('swagger-ui.css')}" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <footer class="swagger-ui">
      <p class="wrapper">
        <a href="${urlOf('openapi.json')}">This API as OpenAPI</a>,
        <a href="${urlOf('asyncapi.json')}">the Kafka topics and the WebSocket as AsyncAPI</a>
      </p>
    </footer>
    <script src="${urlOf('swagger-ui-bundle.js')}"></script>
    <script src="${urlOf('init.js')}"></script>
  </body>
</html>
`;
}

/**
 * Builds the script that starts Swagger UI. It finds the document next to the script, behind any
 * prefix.
 */
export function initScript(account: string | undefined): string {
  const authorize =
    account === undefined
      ? ''
      : `ui.preauthorizeApiKey(${JSON.stringify(ACCOUNT_SCHEME)}, ${JSON.stringify(account)});`;
  return `const ui = SwaggerUIBundle({
  url: new URL('openapi.json', document.currentScript.src).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  onComplete: () => { ${authorize} },
});
`;
}
