import { CodedError } from '@bulk/domain';
import { acquireLock, inspectStack, stackPaths } from '@bulk/local-stack';

/** Longest wait for the claim of another benchmark, in ms. */
const LOCK_MS = 500;

/**
 * Claims a stack for this benchmark, which empties it. The claim ends with this process.
 *
 * @returns a function that ends the claim.
 * @throws CodedError `STACK_IN_USE` if another benchmark has claimed it, or it is up.
 */
export async function claimStack(name: string): Promise<() => void> {
  const inUse = (reason: string): CodedError =>
    new CodedError(
      'STACK_IN_USE',
      `${reason}; stop it (npm run stack -- down --name ${name}), or choose another one with --stack`,
    );
  let release: () => void;
  try {
    // Next to the stack's own folder, which is deleted.
    release = await acquireLock(`${stackPaths(name).root}.bench.lock`, { timeoutMs: LOCK_MS });
  } catch {
    throw inUse(`another benchmark uses the stack ${name}`);
  }
  if ((await inspectStack(name)) === undefined) return release;
  release();
  throw inUse(`the stack ${name} is up`);
}
