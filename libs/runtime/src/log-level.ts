import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { LOG_LEVELS } from './config.ts';
import type { Logger } from './logger.ts';

const EXPECTED = `expected {"level": …} with one of ${LOG_LEVELS.join(', ')}`;
const bodySchema = z.strictObject({ level: z.enum(LOG_LEVELS) });
/** Maximum size of a request in bytes; such requests are small. */
const MAX_BYTES = 1_024;

/** A JSON answer. */
export interface LogLevelAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Answers `GET /log-level` with the level. `PUT /log-level` with `{"level":"debug"}` changes it until the process ends.
 *
 * The change is logged at the more verbose of both levels, so that the log itself shows where its detail changes.
 */
export async function answerLogLevel(request: IncomingMessage, log: Logger): Promise<LogLevelAnswer> {
  if (request.method === 'GET') return { status: 200, body: { level: log.level } };
  if (request.method !== 'PUT') return { status: 405, body: { error: 'expected GET or PUT' } };
  const asked = bodySchema.safeParse(await jsonOf(request));
  if (!asked.success) return { status: 400, body: { error: EXPECTED } };
  const { level } = asked.data;
  const former = log.level;
  const tell = (): void => log.warn({ former, level }, 'Log level changed');
  const isTold = log.isLevelEnabled('warn');
  if (isTold) tell();
  log.level = level;
  if (!isTold) tell();
  return { status: 200, body: { level } };
}

/** Reads a JSON body. @returns undefined if it is too long or not JSON. */
async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BYTES) return undefined;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return undefined;
  }
}
