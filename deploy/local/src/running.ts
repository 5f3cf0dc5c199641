import type { Environment } from './env.ts';
import type { StackError } from './errors.ts';
import type { ProcessName, StackUrls } from './state.ts';

/** A stack that is up, supervised by this process or by another. */
export interface RunningStack {
  readonly name: string;
  readonly urls: StackUrls;
  /** Whether another process supervises it; then `stop` leaves it running. */
  readonly attached: boolean;
  /** Settles when the stack has ended: with the error if a part died, else with nothing. It never rejects. */
  readonly closed: Promise<StackError | undefined>;
  /** Stops all parts in reverse order, within bounded time. It may be repeated. */
  stop(): Promise<void>;
  /** Stops one part, or one of several brokers, and leaves it down. */
  halt(part: ProcessName, signal?: EndSignal): Promise<void>;
  /** Starts a halted part on the same port with the same data; settles when it is ready. */
  resume(part: ProcessName): Promise<void>;
  /** `halt`, then `resume`. */
  restart(part: ProcessName, signal?: EndSignal): Promise<void>;
}

/** SIGTERM (the default) lets a part close its files; SIGKILL is a crash. */
export type EndSignal = 'SIGTERM' | 'SIGKILL';

export interface StartOptions {
  /** Name of the stack. @default STACK_NAME of the environment, else `default` */
  readonly name?: string;
  /** Number of Kafka brokers. @default the number that the stack has data of, else one */
  readonly brokers?: number | undefined;
  /** Logs the progress, in a few lines. @default none */
  readonly log?: (line: string) => void;
  /** The environment. @default `loadEnv()` */
  readonly env?: Environment;
  /** Interrupts the start when it aborts, or stops the running stack if it is ours. */
  readonly signal?: AbortSignal;
}
