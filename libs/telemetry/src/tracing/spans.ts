import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';

/** Header of HTTP and of Kafka messages, and field of stored actions: W3C Trace Context, level 1. */
export const TRACEPARENT = 'traceparent';

const TRACER = '@bulk/telemetry';

export interface SpanOptions {
  readonly kind?: 'server' | 'producer' | 'consumer' | 'internal';
  readonly attributes?: Attributes;
  /** A `traceparent` from elsewhere; null where there was none. Without it, the span that is active here is the parent. */
  readonly parent?: string | null | undefined;
  /** In ms since the epoch; default now. */
  readonly startTime?: number;
}

/** A span that is not the active one of its context. To be ended, or it is never told. */
export interface OpenSpan {
  /** What its children name as their parent; undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  end(error?: unknown): void;
}

const KINDS = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Begins a span beside the active one. Where tracing is off it costs nothing and has no `traceparent`. */
export function beginSpan(name: string, options: SpanOptions = {}): OpenSpan {
  const [span, within] = open(name, options);
  return { traceparent: traceparentOf(within), end: (error) => close(span, error) };
}

/** Does `work` in a span of its own, which is active in it; an error of `work` is recorded and thrown on. */
export async function withSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  const [span, within] = open(name, options);
  try {
    const result = await context.with(within, work);
    close(span);
    return result;
  } catch (error) {
    close(span, error);
    throw error;
  }
}

/** Adds to the active span, and renames it: what it is about may be known only in its middle. */
export function describeSpan(attributes: Attributes, name?: string): void {
  const span = trace.getActiveSpan();
  span?.setAttributes(attributes);
  if (name !== undefined) span?.updateName(name);
}

/** The active span, to be sent or stored; undefined where nothing is traced. */
export function currentTraceparent(): string | undefined {
  return traceparentOf(context.active());
}

function open(
  name: string,
  { kind = 'internal', attributes, parent, startTime }: SpanOptions,
): [Span, Context] {
  const outer =
    parent === undefined
      ? context.active()
      : propagation.extract(ROOT_CONTEXT, parent === null ? {} : { [TRACEPARENT]: parent });
  const span = trace.getTracer(TRACER).startSpan(
    name,
    {
      kind: KINDS[kind],
      ...(attributes === undefined ? {} : { attributes }),
      ...(startTime === undefined ? {} : { startTime }),
    },
    outer,
  );
  return [span, trace.setSpan(outer, span)];
}

function close(span: Span, error?: unknown): void {
  if (error !== undefined) {
    // The code and no message: messages may name values of entities.
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    span.setAttribute('error.type', code ?? (error instanceof Error ? error.name : 'unknown'));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function traceparentOf(within: Context): string | undefined {
  const carrier: Partial<Record<string, string>> = {};
  propagation.inject(within, carrier);
  return carrier[TRACEPARENT];
}
