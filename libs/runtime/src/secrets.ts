import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Replaces what must not be told in a text. */
export type Redact = (text: string) => string;

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]';
/** A shorter secret is not looked for: it would be found in every other word. */
const MIN_CHARACTERS = 4;
const SECRET_NAME = /PASSWORD|SECRET|TOKEN|_KEY_FILE$/;
/** The password within a URL; a raw `@` in it belongs to it, since the last one before the path ends it. */
const PASSWORD_IN_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i;

/** The text of the file that a variable names, without the line's end; for mounted secrets and certificates. */
export function textFile(description: string) {
  return z
    .string()
    .transform((path, context) => {
      try {
        const text = readFileSync(path, 'utf8').trimEnd();
        if (text !== '') return text;
        context.addIssue({ code: 'custom', message: 'expected a file that is not empty' });
      } catch (error) {
        const code =
          typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
        context.addIssue({ code: 'custom', message: `expected a file that can be read (${code})` });
      }
      return z.NEVER;
    })
    .optional()
    .meta({ description });
}

/** A text that may be absent. */
export function optionalText(description: string) {
  return z.string().optional().meta({ description });
}

/**
 * Every secret of a configuration: the values of variables whose names say so, and the passwords within URLs, as they stand
 * there and decoded.
 */
export function secretsOf(config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).flatMap(([name, value]) => {
    if (typeof value !== 'string') return [];
    if (SECRET_NAME.test(name)) return [value];
    const password = PASSWORD_IN_URL.exec(value)?.[1];
    return password === undefined ? [] : [password, decoded(password)];
  });
}

/** Takes these secrets out of a text, also where they are escaped as in JSON or in a URL. */
export function redactorOf(secrets: readonly string[]): Redact {
  const forms = secrets
    .filter((secret) => secret.length >= MIN_CHARACTERS)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  // The longest first: another may be a part of it.
  const sorted = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return (text) => sorted.reduce((rest, form) => rest.replaceAll(form, REDACTED), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
