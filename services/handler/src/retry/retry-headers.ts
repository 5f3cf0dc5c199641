import { MalformedMessageError } from '@bulk/contracts';
import { clippedChanges, MAX_BATCH_CHANGES_BYTES } from '@bulk/domain';
import type { ReceivedMessage } from '@bulk/kafka';
import { z } from 'zod';
import {
  changesSnapshotSchema,
  effectsSnapshotSchema,
  progressSnapshotSchema,
  type ChangesSnapshot,
  type EffectsSnapshot,
  type ProgressSnapshot,
} from '../application/batch-progress.ts';

const PREFIX = 'retry-';

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);

/** Negative for a batch of a topic that this topic has replaced: its place lies before the first message. */
const offset = z
  .string()
  .regex(/^-?\d{1,16}$/)
  .transform(Number)
  .pipe(z.int());

const headersSchema = z.object({
  'retry-origin-topic': z.string(),
  'retry-origin-partition': wholeNumber,
  'retry-origin-offset': offset,
  'retry-postponed': wholeNumber,
  'retry-first-tried-at': wholeNumber,
  'retry-not-before': wholeNumber,
  'retry-progress': z.string(),
  // An older handler sends none.
  'retry-effects': z.string().default('[]'),
  'retry-changes': z.string().default('[]'),
});

/** A batch that waits for another try. */
export interface Postponed {
  /** The message of the lane, as handler received it. */
  readonly message: ReceivedMessage;
  /** How often the batch was put into a retry topic, including this time. */
  readonly postponed: number;
  /** Time of the batch's first try, in ms since the epoch. */
  readonly firstTriedAt: number;
  /** Time of the next try, in ms since the epoch. */
  readonly notBefore: number;
  readonly progress: ProgressSnapshot;
  readonly effects: EffectsSnapshot;
  readonly changes: ChangesSnapshot;
}

/**
 * Builds the headers of a message in a retry topic: those of the lane's message, and those that
 * restore it.
 */
export function encodeRetryHeaders({
  message,
  postponed,
  firstTriedAt,
  notBefore,
  progress,
  effects,
  changes,
}: Postponed): ReceivedMessage['headers'] {
  return {
    ...message.headers,
    'retry-origin-topic': message.topic,
    'retry-origin-partition': String(message.partition),
    'retry-origin-offset': String(message.offset),
    'retry-postponed': String(postponed),
    'retry-first-tried-at': String(firstTriedAt),
    'retry-not-before': String(notBefore),
    'retry-progress': JSON.stringify(progress),
    'retry-effects': JSON.stringify(effects),
    ...(changes.length === 0 ? {} : { 'retry-changes': JSON.stringify(boundedAsJson(changes)) }),
  };
}

/**
 * Bounds changes by the size of the header. They are JSON inside JSON there, which doubles each quote, and the message
 * must still be accepted by the topic. A mark replaces what does not fit.
 */
function boundedAsJson(changes: ChangesSnapshot): ChangesSnapshot {
  let left = MAX_BATCH_CHANGES_BYTES;
  return changes.map(([at, text]) => {
    const bytes = Buffer.byteLength(JSON.stringify(text));
    if (bytes > left) return [at, clippedChanges(text, 0)];
    left -= bytes;
    return [at, text];
  });
}

/** Returns whether the headers give the place that a batch had in its lane before. */
export function hasPlace(headers: ReceivedMessage['headers']): boolean {
  return headers['retry-origin-offset'] !== undefined;
}

/**
 * Builds the headers of a batch that is put into a lane again, to be applied at the place that it had in
 * a topic that was lost.
 *
 * @param message as handler received it, with its offset relative to the start of the new topic.
 * @param now in ms since the epoch.
 */
export function encodePlaceHeaders(message: ReceivedMessage, now: number): ReceivedMessage['headers'] {
  return encodeRetryHeaders({
    message,
    postponed: 0,
    firstTriedAt: now,
    notBefore: now,
    progress: { attempts: 0, faults: 0, isolated: false, successes: [], others: [], requests: [] },
    effects: [],
    changes: [],
  });
}

/**
 * Restores the lane's message from a retry topic.
 *
 * @throws MalformedMessageError if the headers are missing or invalid.
 */
export function decodeRetryHeaders(received: ReceivedMessage): Postponed {
  const texts = Object.entries(received.headers).map(([name, value]) => [name, String(value)]);
  try {
    const headers = headersSchema.parse(Object.fromEntries(texts));
    return {
      message: {
        topic: headers['retry-origin-topic'],
        partition: headers['retry-origin-partition'],
        offset: headers['retry-origin-offset'],
        key: received.key,
        value: received.value,
        headers: Object.fromEntries(
          Object.entries(received.headers).filter(([name]) => !name.startsWith(PREFIX)),
        ),
      },
      postponed: headers['retry-postponed'],
      firstTriedAt: headers['retry-first-tried-at'],
      notBefore: headers['retry-not-before'],
      progress: progressSnapshotSchema.parse(JSON.parse(headers['retry-progress'])),
      effects: effectsSnapshotSchema.parse(JSON.parse(headers['retry-effects'])),
      changes: changesSnapshotSchema.parse(JSON.parse(headers['retry-changes'])),
    };
  } catch (cause) {
    throw new MalformedMessageError('expected the headers of a retry topic', cause);
  }
}

/**
 * Returns when a message of a retry topic is due, in ms since the epoch; 0 if its headers do not
 * say.
 */
export function dueAt({ headers }: Pick<ReceivedMessage, 'headers'>): number {
  return wholeNumber.catch(0).parse(String(headers['retry-not-before']));
}
