import type * as LocalStack from '@bulk/local-stack';

/** No literal, so that no bundle contains the package. An image has no local stack. */
const PACKAGE: string = '@bulk/local-stack';

/** The package is absent (in an image), or the process does not load TypeScript (a build). */
const WITHOUT_IT = ['ERR_MODULE_NOT_FOUND', 'ERR_UNKNOWN_FILE_EXTENSION'];

/** Returns the package of the local stack; `undefined` in an image, which does not contain it. */
export async function localStack(): Promise<typeof LocalStack | undefined> {
  try {
    return (await import(PACKAGE)) as typeof LocalStack;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (WITHOUT_IT.includes(code)) return undefined;
    throw error;
  }
}
