/** Ports under attack. `secured`: those of the services that check tokens. */
export const DOORS = [
  'intake',
  'notifier',
  'intake.admin',
  'notifier.admin',
  'intake.secured',
  'notifier.secured',
] as const;
export type Door = (typeof DOORS)[number];

export const KINDS = ['raw bytes', 'HTTP requests', 'uploads', 'WebSockets', 'tokens'] as const;
export type Kind = (typeof KINDS)[number];

/** Bytes that are sent together. */
export interface Step {
  readonly bytes: Buffer;
  /** Time until the next step, in ms. @default 0 */
  readonly pauseMs?: number;
  /** Whether the next step waits until an answer arrives. */
  readonly awaitsAnswer?: boolean;
}

/**
 * How the client ends its connection after the last step.
 *
 * `read` takes the answers first; `wait` leaves the end to the server; `reset` is an RST.
 */
export type Ending = 'read' | 'wait' | 'half-close' | 'close' | 'reset';

/** What one client does on one connection. */
export interface FuzzCase {
  readonly kind: Kind;
  readonly door: Door;
  /** Names the attack, e.g. "two lengths". */
  readonly what: string;
  readonly steps: readonly Step[];
  readonly ending: Ending;
  /**
   * Whether the case is one valid HTTP request as far as framing goes, so that an answer must come.
   */
  readonly isWhole: boolean;
}

/** A case with its place in a run. */
export interface PlacedCase extends FuzzCase {
  readonly round: number;
  readonly index: number;
}

/** Stands in a case for the id of an ended action. It is as long as any other id. */
export const ENDED_ACTION = '0193a3c4-5b6f-7c1d-8e2f-aaaaaaaaaaaa';
/** Stands in a case for the id of an action that waits for its time. */
export const WAITING_ACTION = '0193a3c4-5b6f-7c1d-8e2f-bbbbbbbbbbbb';
/** The owner of these two actions. */
export const KNOWN_ACCOUNT = 'fuzz-known-account';
/** Stands in a case for the account of this case alone. */
export const CASE_ACCOUNT = 'fuzz-case-account';

/**
 * Returns the account of one case. It is as long as `CASE_ACCOUNT`, so that lengths in a request
 * stay right.
 */
export function accountOfCase({ round, index }: Pick<PlacedCase, 'round' | 'index'>): string {
  return `fuzz-${String(round).padStart(6, '0')}-${String(index).padStart(5, '0')}`;
}

/** Replaces texts by others of the same length, even if a step cuts them in two. */
export function replaced(steps: readonly Step[], texts: ReadonlyMap<string, string>): Step[] {
  let all = Buffer.concat(steps.map(({ bytes }) => bytes)).toString('latin1');
  for (const [from, to] of texts) all = all.replaceAll(from, to);
  const bytes = Buffer.from(all, 'latin1');
  let at = 0;
  return steps.map((step) => ({ ...step, bytes: bytes.subarray(at, (at += step.bytes.length)) }));
}
