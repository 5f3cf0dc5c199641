import { backoffDelay, delay } from './delay.ts';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';

export interface DependencyOptions {
  readonly log: Logger;
  readonly health: Health;
  readonly signal: AbortSignal;
}

const BACKOFF = { initialDelayMs: 200, maxDelayMs: 5_000 };

/**
 * Opens a dependency, trying until it is there: services start in any order. Until then the dependency is named on
 * `/readyz`, and logged once.
 *
 * @throws the signal's reason when the service is told to stop first.
 */
export async function openDependency<T>(
  name: string,
  open: () => Promise<T>,
  options: DependencyOptions,
): Promise<T> {
  const { log, health, signal } = options;
  health.set(name, 'waiting');
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const opened = await open();
      health.set(name, 'ready');
      if (attempt > 1) log.info({ dependency: name, attempt }, 'dependency is there');
      return opened;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      health.set(name, 'waiting', message);
      if (attempt === 1) log.warn({ dependency: name, reason: message }, 'waiting for a dependency');
      else log.debug({ dependency: name, attempt, reason: message }, 'still waiting for a dependency');
    }
    await delay(backoffDelay(attempt, BACKOFF), signal);
  }
}
