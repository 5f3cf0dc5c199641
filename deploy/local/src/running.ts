import type { Environment } from './env.ts';
import type { StackError } from './errors.ts';
import type { ProcessName, StackUrls } from './state.ts';

/** A stack that is up, supervised by this process or by another. */
export interface RunningStack {
  readonly name: string;
  readonly urls: StackUrls;
  /** True when another process supervises it: then `stop` leaves it running. */
  readonly attached: boolean;
  /** Settles when the stack has ended: with the error when a part died, else with nothing. Never rejects. */
  readonly closed: Promise<StackError | undefined>;
  /** Ends all parts in reverse order, bounded. Idempotent. */
  stop(): Promise<void>;
  /** Ends one part, or one of several brokers, and leaves it down. */
  halt(part: ProcessName, signal?: EndSignal): Promise<void>;
  /** Starts a halted part on the same port with the same data; settles when it is ready. */
  resume(part: ProcessName): Promise<void>;
  /** `halt`, then `resume`. */
  restart(part: ProcessName, signal?: EndSignal): Promise<void>;
}

/** SIGTERM (the default) lets a part close its files; SIGKILL is a crash. */
export type EndSignal = 'SIGTERM' | 'SIGKILL';

export interface StartOptions {
  /** Default: STACK_NAME of the environment, else `default`. */
  readonly name?: string;
  /** Number of Kafka brokers. Default: as many as the stack has data of, else one. */
  readonly brokers?: number | undefined;
  /** Progress, a few calm lines. Default: none. */
  readonly log?: (line: string) => void;
  /** Default: `loadEnv()`. */
  readonly env?: Environment;
  /** Aborting it breaks off the start, or ends the running stack if it is ours. */
  readonly signal?: AbortSignal;
}
