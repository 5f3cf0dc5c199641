import { randomUUID } from 'node:crypto';

const ACCEPTABLE = /^[\x21-\x7e]{1,128}$/;

/** Returns the caller's own id if it is printable and short, otherwise a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && ACCEPTABLE.test(header) ? header : randomUUID();
}
