import { trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger, type LoggerOptions as PinoOptions } from 'pino';
import { errorFacts } from './error-facts.ts';
import type { Redact } from './secrets.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly service: string;
  readonly level: string;
  readonly format: 'json' | 'pretty';
  /** Takes secrets out of each line. */
  readonly redact?: Redact;
}

/**
 * A JSON logger on standard output, unless another destination is given. Levels: `error`, someone must act; `warn`, degraded and mending itself; `info`, a
 * change of state; `debug`, a step.
 */
export function createLogger(options: LoggerOptions, destination?: DestinationStream): Logger {
  const settings: PinoOptions = {
    level: options.level,
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: traceIds,
    serializers: { err: errorFacts },
    // The last step before a line leaves: whatever an error of a client carries along.
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

/** The active span's ids, where anything is traced: from a log line to its trace. */
function traceIds(): { traceId?: string; spanId?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId };
}

/** A logger that says nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
