import type { RunningStack } from '@bulk/local-stack';
import { CodedError } from '@bulk/domain';
import type { ServiceGroup } from '../processes/service-group.ts';

/**
 * Runs `work` while all services and parts live.
 *
 * @throws the error of the first service or part that ends by itself; the signal's reason if it
 * aborts.
 */
export async function whileAllLive<T>(
  {
    services,
    stack,
    signal,
  }: { services: Pick<ServiceGroup, 'died'>; stack?: RunningStack; signal: AbortSignal },
  work: Promise<T>,
): Promise<T> {
  const died = services.died.then((error) => {
    throw error;
  });
  const ending = stack === undefined ? signal : AbortSignal.any([signal, deathOf(stack)]);
  return Promise.race([work, died, aborted(ending)]);
}

/** Returns a signal that aborts when the stack ends, whatever has ended it. The reason says why. */
export function deathOf(stack: RunningStack): AbortSignal {
  const abort = new AbortController();
  void stack.closed.then((error) =>
    abort.abort(
      error ?? new CodedError('STACK_CLOSED', `the stack ${stack.name} was stopped by another process`),
    ),
  );
  return abort.signal;
}

/** Rejects with the signal's reason when it aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => {
      const { reason } = signal as { reason: unknown };
      reject(reason instanceof Error ? reason : new Error(String(reason)));
    };
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
