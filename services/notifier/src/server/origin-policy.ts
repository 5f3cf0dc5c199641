import { CodedError } from '@bulk/domain';

/** Thrown when a web page of another host asks for a connection. */
export class OriginForbiddenError extends CodedError {
  constructor() {
    super(
      'ORIGIN_FORBIDDEN',
      'web pages of this origin may not connect: expected the host that serves the WebSocket, or an origin of WS_ALLOWED_ORIGINS',
    );
  }
}

/** The value of WS_ALLOWED_ORIGINS that permits every origin. */
export const ANY_ORIGIN = '*';

/** The headers by which browsers state the origin of a request. */
export interface OriginHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
}

/**
 * Checks that a web page may open a WebSocket.
 *
 * Browsers let every page connect to every host and name the page's origin in `Origin`. Other
 * clients send none. Permitted are: no origin, the host name of the request on any port, and the
 * listed origins.
 *
 * @param allowed origins, such as `https://app.example.com`; `*` permits all.
 * @throws OriginForbiddenError.
 */
export function checkOrigin({ origin, host }: OriginHeaders, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes(ANY_ORIGIN) || allowed.includes(origin)) return;
  const page = hostNameOf(origin);
  if (page === undefined || page !== hostNameOf(`http://${host ?? ''}`)) throw new OriginForbiddenError();
}

function hostNameOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  return hostname === '' ? undefined : hostname;
}
