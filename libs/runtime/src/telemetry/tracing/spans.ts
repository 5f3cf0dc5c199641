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

/**
 * The name of the trace header of HTTP and of Kafka messages, and of the field of stored actions: W3C Trace Context,
 * level 1.
 */
export const TRACEPARENT = 'traceparent';

const TRACER = '@bulk/runtime/telemetry';

export interface SpanOptions {
  readonly kind?: 'server' | 'producer' | 'consumer' | 'internal';
  readonly attributes?: Attributes;
  /** A `traceparent` from elsewhere; null if there was none. Default: the active span is the parent. */
  readonly parent?: string | null | undefined;
  /** In ms since the epoch. @default now */
  readonly startTime?: number;
}

/** A span that is not the active one of its context. It must be ended, or it is never reported. */
export interface OpenSpan {
  /** The parent for its children; undefined if tracing is off. */
  readonly traceparent: string | undefined;
  end(error?: unknown): void;
}

const KINDS = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Starts a span without making it the active one. If tracing is off, it costs nothing and has no `traceparent`. */
export function beginSpan(name: string, options: SpanOptions = {}): OpenSpan {
  const [span, within] = open(name, options);
  return { traceparent: traceparentOf(within), end: (error) => close(span, error) };
}

/** Runs `work` in a span of its own, which is active meanwhile. An error of `work` is recorded and rethrown. */
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

/** Adds attributes to the active span and optionally renames it: its subject may be known only in its course. */
export function describeSpan(attributes: Attributes, name?: string): void {
  const span = trace.getActiveSpan();
  span?.setAttributes(attributes);
  if (name !== undefined) span?.updateName(name);
}

/** Returns the `traceparent` of the active span, to send or to store it; undefined if tracing is off. */
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
    // It records the code and not the message: messages may contain values of entities.
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
