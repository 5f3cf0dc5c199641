import { backoffDelay, messageOf } from '@bulk/domain';
import { delay } from './delay.ts';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';

export interface DependencyOptions {
  readonly log: Logger;
  readonly health: Health;
  readonly signal: AbortSignal;
}

/** Time after which a first try that has not settled is reported, in ms. */
const PATIENCE_MS = 2_000;
const BACKOFF = { initialDelayMs: 200, maxDelayMs: 5_000 };

/**
 * Opens a dependency, with retries until it is available: services start in any order. Until then `/healthz` names the
 * dependency, and one log line does.
 *
 * @throws the signal's reason if the service is stopped first.
 */
export async function openDependency<T>(
  name: string,
  open: () => Promise<T>,
  options: DependencyOptions,
): Promise<T> {
  const { log, health, signal } = options;
  health.set(name, 'waiting');
  const progress = { said: false };
  const say = (reason: string): void => {
    health.set(name, 'waiting', reason);
    if (progress.said) return;
    progress.said = true;
    log.warn({ dependency: name, reason }, 'Dependency unavailable at start; waiting');
  };
  const patience = setTimeout(() => say(`no answer within ${PATIENCE_MS} ms`), PATIENCE_MS);
  try {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        const opened = await open();
        health.set(name, 'ready');
        if (progress.said) log.info({ dependency: name, attempt }, 'Dependency available; start continues');
        return opened;
      } catch (error) {
        const reason = messageOf(error);
        say(reason);
        log.debug({ dependency: name, attempt, reason }, 'Dependency still unavailable at start');
      }
      await delay(backoffDelay(attempt, BACKOFF), signal);
    }
  } finally {
    clearTimeout(patience);
  }
}
