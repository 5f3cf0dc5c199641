import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Replaces the secrets in a text. */
export type Redact = (text: string) => string;

/** The text that replaces a secret. */
export const REDACTED = '[redacted]';
/** Shorter secrets are not replaced: they would match parts of ordinary words. */
const MIN_CHARACTERS = 4;
const SECRET_NAME = /PASSWORD|SECRET|TOKEN|_KEY_FILE$/;
/** Matches the password in a URL. A raw `@` belongs to the password, since the last one before the path ends it. */
const PASSWORD_IN_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i;

/**
 * Declares a setting that names a file, and reads the text of the file without trailing white space. Use it for mounted
 * secrets and certificates.
 */
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

/** Declares an optional text setting. */
export function optionalText(description: string) {
  return z.string().optional().meta({ description });
}

/**
 * Returns every secret of a configuration: the values of variables whose names mark them as secret, and the passwords
 * in URLs, both raw and decoded.
 */
export function secretsOf(config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).flatMap(([name, value]) => {
    if (typeof value !== 'string') return [];
    if (SECRET_NAME.test(name)) return [value];
    const password = PASSWORD_IN_URL.exec(value)?.[1];
    return password === undefined ? [] : [password, decoded(password)];
  });
}

/** Creates a function that removes these secrets from a text, also if they are escaped as in JSON or in a URL. */
export function redactorOf(secrets: readonly string[]): Redact {
  const forms = secrets
    .filter((secret) => secret.length >= MIN_CHARACTERS)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  // The longest form comes first: another may be a part of it.
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
