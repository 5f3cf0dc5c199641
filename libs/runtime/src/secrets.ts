import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Fault } from './credentials.ts';

/** Replaces the secrets in a text. */
export type Redact = (text: string) => string;

/** The text that replaces a secret. */
export const REDACTED = '[redacted]';
/** Shorter secrets are not replaced: they would match parts of ordinary words. */
const MIN_CHARACTERS = 4;
const SECRET_NAME = /PASSWORD|SECRET|TOKEN(?!_URL$)|_KEY_FILE$/;
/** Matches the password in a URL. A raw `@` belongs to the password, since the last one before the path ends it. */
const PASSWORD_IN_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i;

/**
 * Declares a setting that names a file, and reads the text of the file without trailing white space. Use it for mounted
 * secrets and certificates.
 */
export function textFile(description: string) {
  return z.string().transform(textIn).optional().meta({ description });
}

/** The form of a secret, and the words of the fault that names it. */
export interface SecretForm {
  readonly pattern: RegExp;
  readonly expected: string;
}

/** Returns the form of a secret that only has a minimum length. */
export function secretOfLength(minCharacters: number): SecretForm {
  return {
    pattern: new RegExp(`^[\\s\\S]{${minCharacters},}$`),
    expected: `expected at least ${minCharacters} characters`,
  };
}

/** Declares an optional secret. `secretFile` declares the setting that names a file in its place. */
export function secretText({ pattern, expected }: SecretForm, description: string) {
  return z.string().regex(pattern, expected).optional().meta({ description });
}

/** Declares a setting that names a file with a secret, as `textFile` does. */
export function secretFile({ pattern, expected }: SecretForm, description: string) {
  return z
    .string()
    .transform(textIn)
    .pipe(z.string().regex(pattern, expected))
    .optional()
    .meta({ description });
}

/**
 * Declares a setting that names a file with a secret which exists only during a rotation: a file that does not exist or
 * is empty holds none.
 */
export function rotatedSecretFile({ pattern, expected }: SecretForm, description: string) {
  return z
    .string()
    .transform((path, context) => textIn(path, context, true))
    .pipe(z.string().regex(pattern, expected).optional())
    .optional()
    .meta({ description });
}

/** Checks that a secret is not given both as a variable and as a file. */
export function checkSecret(config: Readonly<Record<string, unknown>>, name: string, fault: Fault): void {
  const file = `${name}_FILE`;
  if (config[name] !== undefined && config[file] !== undefined)
    fault(file, `expected this or ${name}, found both`);
}

/** Checks a secret that can be rotated: each one is given once, and the previous one only in addition to the present one. */
export function checkRotatedSecret(
  config: Readonly<Record<string, unknown>>,
  name: string,
  fault: Fault,
): void {
  const previous = `${name}_PREVIOUS`;
  checkSecret(config, name, fault);
  checkSecret(config, previous, fault);
  const has = (secret: string): boolean =>
    config[secret] !== undefined || config[`${secret}_FILE`] !== undefined;
  if (has(previous) && !has(name)) fault(previous, `expected ${name} or ${name}_FILE as well`);
}

/** Returns a secret, from its variable or from its file; undefined if neither is given. */
export function secretOf<Name extends string>(
  config: Readonly<Partial<Record<Name | `${Name}_FILE`, string | undefined>>>,
  name: Name,
): string | undefined {
  return config[name] ?? config[`${name}_FILE`];
}

/** Returns the distinct secrets in their order: the present one and, during a rotation, the previous one. */
export function rotatedSecrets(present: string | undefined, previous: string | undefined): readonly string[] {
  return [...new Set([present, previous])].filter((secret) => secret !== undefined);
}

function textIn(path: string, context: z.RefinementCtx): string;
function textIn(path: string, context: z.RefinementCtx, mayBeMissing: boolean): string | undefined;
function textIn(path: string, context: z.RefinementCtx, mayBeMissing = false): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').trimEnd();
    if (text !== '') return text;
    if (mayBeMissing) return undefined;
    context.addIssue({ code: 'custom', message: 'expected a file that is not empty' });
  } catch (error) {
    const code =
      typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
    if (mayBeMissing && code === 'ENOENT') return undefined;
    context.addIssue({ code: 'custom', message: `expected a file that can be read (${code})` });
  }
  return z.NEVER;
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
