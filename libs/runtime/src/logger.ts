import { trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger, type LoggerOptions as PinoOptions } from 'pino';
import { errorFacts } from './error-facts.ts';
import type { Redact } from './secrets.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly service: string;
  readonly level: string;
  readonly format: 'json' | 'pretty';
  /** Removes secrets from each line. */
  readonly redact?: Redact;
}

/**
 * Creates a JSON logger on standard output, or on another destination.
 *
 * Levels: `error`, an operator must act; `warn`, degraded and recovering by itself; `info`, a change of state; `debug`,
 * a step.
 */
export function createLogger(options: LoggerOptions, destination?: DestinationStream): Logger {
  const settings: PinoOptions = {
    level: options.level,
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: traceIds,
    serializers: { err: errorFacts },
    // This is the last step before a line is written, so it also covers whatever a client's error contains.
    ...(options.redact === undefined ? {} : { hooks: { streamWrite: options.redact } }),
    formatters: { level: (label) => ({ level: label }) },
    ...(options.format === 'pretty'
      ? {
          transport: {
            target: 'pino-pretty',
            options: { ignore: 'pid,hostname,service', translateTime: 'HH:MM:ss.l' },
          },
        }
      : {}),
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

/** Returns the ids of the active span, if tracing is on. They lead from a log line to its trace. */
function traceIds(): { traceId?: string; spanId?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId };
}

/** Creates a logger that logs nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
