import type { RequestBody } from './request-body.ts';

/** The part of an answer that is used; `fetch`'s Response is one. */
export interface FetchAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body?: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
}

export interface FetchRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: RequestBody;
  /** Set if the body is a stream: the answer comes after it. */
  readonly duplex?: 'half';
  readonly signal: AbortSignal;
}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchAnswer>;
