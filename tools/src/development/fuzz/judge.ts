import { failureSchema, serverFrameSchema, successSchema } from '@bulk/contracts';
import { actionIdSchema } from '@bulk/domain';
import { z } from 'zod';
import type { FuzzCase } from './fuzz-case.ts';
import { readAnswers, type HttpAnswer } from './http-answer.ts';
import { OPCODES, readServerFrames } from './web-socket-bytes.ts';

/** The result of one case. */
export interface Exchange {
  readonly received: Buffer;
  /** Whether the server closed its side before the client did. */
  readonly endedByServer: boolean;
  /** Whether the client stopped waiting without a complete answer. */
  readonly gaveUp: boolean;
}

/** An action that a 202 has promised. */
export interface Accepted {
  readonly actionId: string;
  readonly total: number;
}

export interface Verdict {
  /** Every breach, in words; empty if all is well. */
  readonly breaches: readonly string[];
  readonly statuses: readonly number[];
  readonly accepted: readonly Accepted[];
  /**
   * Whether it was one request with a complete answer, so that only what the answer says is stored.
   */
  readonly isSettled: boolean;
}

const anySuccessSchema = successSchema(z.unknown());
const acceptedSchema = z.object({
  data: z.object({ actionId: actionIdSchema, total: z.int().nonnegative() }),
});
/** The answers that services give about themselves: probes and their documents. */
const ownDocumentSchema = z.union([z.object({ openapi: z.string() }), z.object({ asyncapi: z.string() })]);
/** The WebSocket close code of an internal error. */
const INTERNAL_ERROR = 1011;
const SHOWN = 200;

/** Compares what a server sent with the rules for every answer of the platform. */
export function judge(fuzzed: FuzzCase, exchange: Exchange): Verdict {
  const { answers, upgraded, fault } = readAnswers(exchange.received);
  const final = answers.filter(({ status }) => status >= 200);
  const breaches = final.flatMap((answer) => answerBreaches(answer, fuzzed));
  if (fault !== undefined && !isCut(fuzzed)) breaches.push(`the answer is not HTTP: ${fault}`);
  if (upgraded !== undefined) breaches.push(...frameBreaches(upgraded));
  if (final.some(({ isWhole }) => !isWhole) && exchange.endedByServer && !isCut(fuzzed))
    breaches.push('the server broke off its answer');
  if (fuzzed.isWhole && fuzzed.ending === 'read' && answers.length === 0)
    breaches.push(
      exchange.gaveUp ? 'no answer came in time' : 'the server closed the connection without an answer',
    );
  if (fuzzed.ending === 'wait' && exchange.gaveUp) breaches.push('the server keeps the connection open');
  const accepted = final.flatMap(acceptedIn);
  const isSettled = fuzzed.isWhole && final.length === 1 && final.every(({ isWhole }) => isWhole);
  return { breaches, statuses: answers.map(({ status }) => status), accepted, isSettled };
}

/** Returns whether the client itself may have cut off the answer. */
function isCut({ ending }: FuzzCase): boolean {
  return ending === 'reset' || ending === 'close';
}

function answerBreaches(answer: HttpAnswer, { door }: FuzzCase): string[] {
  const { status, headers, body, isWhole } = answer;
  const text = body.toString('utf8');
  if (status >= 500) return [`status ${status}: ${text.slice(0, SHOWN)}`];
  if (body.length === 0 || !isWhole) return [];
  const isJson = /^application\/json\b/.test(headers.get('content-type') ?? '');
  if (!isJson) return status >= 400 ? [`status ${status} without JSON: ${text.slice(0, SHOWN)}`] : [];
  // A compressed body is one of the documentation's files.
  if (headers.has('content-encoding')) return [];
  const value = parsed(text);
  if (value === undefined) return [`status ${status} with a body that is not JSON: ${text.slice(0, SHOWN)}`];
  // The admin ports answer probes in their own form.
  if (door.endsWith('.admin')) return [];
  const isEnveloped =
    status >= 400
      ? failureSchema.safeParse(value).success
      : anySuccessSchema.safeParse(value).success || ownDocumentSchema.safeParse(value).success;
  return isEnveloped ? [] : [`status ${status} without the envelope: ${text.slice(0, SHOWN)}`];
}

function frameBreaches(bytes: Buffer): string[] {
  const { frames, fault } = readServerFrames(bytes);
  const breaches = fault === undefined ? [] : [`the received bytes are not WebSocket frames: ${fault}`];
  for (const { opcode, payload } of frames) {
    if (opcode === OPCODES.close && payload.length >= 2 && payload.readUInt16BE(0) === INTERNAL_ERROR)
      breaches.push(`the server closed with ${INTERNAL_ERROR}`);
    if (opcode !== OPCODES.text) continue;
    const text = payload.toString('utf8');
    const frame = serverFrameSchema.safeParse(parsed(text));
    if (!frame.success) breaches.push(`a frame of an unknown form: ${text.slice(0, SHOWN)}`);
    else if (frame.data.event === 'error' && isOurFault(frame.data.data))
      breaches.push(`a frame that reports a fault of the server: ${text.slice(0, SHOWN)}`);
  }
  return breaches;
}

/** Returns whether an error counts like a 5xx: nothing is unavailable while the fuzz runs. */
function isOurFault({ code }: { readonly code: string }): boolean {
  return /^INTERNAL|^STORE_|_UNAVAILABLE$/.test(code);
}

function acceptedIn({ status, body, isWhole }: HttpAnswer): Accepted[] {
  if (status !== 202 || !isWhole) return [];
  const answer = acceptedSchema.safeParse(parsed(body.toString('utf8')));
  return answer.success ? [answer.data.data] : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
