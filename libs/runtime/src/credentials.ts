import type { z } from 'zod';

/** The names of the variables that hold the credentials for one dependency. */
export interface CredentialNames {
  readonly username: string;
  readonly password: string;
  readonly passwordFile: string;
}

/** Returns the names of a dependency's variables: `<prefix>_USERNAME` and so on. */
export function credentialNames(prefix: string): CredentialNames {
  return {
    username: `${prefix}_USERNAME`,
    password: `${prefix}_PASSWORD`,
    passwordFile: `${prefix}_PASSWORD_FILE`,
  };
}

/** Reports a variable that is at fault. */
export type Fault = (variable: string, message: string) => void;

/** Creates a `Fault` for `superRefine`. */
export function faultOf(context: z.RefinementCtx): Fault {
  return (variable, message) => context.addIssue({ code: 'custom', path: [variable], message });
}

/**
 * Checks credentials together: one password and not two, a user name only with a password, and a password without a
 * user name only if that is allowed.
 */
export function checkCredentials(
  config: Readonly<Record<string, unknown>>,
  { username, password, passwordFile }: CredentialNames,
  { nameNeeded }: { readonly nameNeeded: boolean },
  fault: Fault,
): void {
  const has = (name: string): boolean => config[name] !== undefined;
  if (has(password) && has(passwordFile)) fault(passwordFile, `expected this or ${password}, found both`);
  const some = has(password) || has(passwordFile);
  if (has(username) && !some) fault(username, `expected ${password} or ${passwordFile} as well`);
  if (nameNeeded && some && !has(username)) {
    fault(has(password) ? password : passwordFile, `expected ${username} as well`);
  }
}

/** Reports each variable that is set although the setting that it needs is absent or off. */
export function checkNeeds(
  config: Readonly<Record<string, unknown>>,
  variables: readonly string[],
  needed: string,
  fulfilled: boolean,
  fault: Fault,
): void {
  if (fulfilled) return;
  for (const name of variables) if (config[name] !== undefined) fault(name, `expected ${needed} as well`);
}

/** Returns whether a URL contains a user name or a password; false if the text is not a URL. */
export function hasUserInfo(url: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*@/i.test(url);
}
