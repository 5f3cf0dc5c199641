import type { Document } from 'mongodb';

/*
 * The times of an action, as expressions of an update pipeline. They come from the clocks of several processes and are
 * written in any order: an action may have its first outcome before its dispatch is recorded. So each is held against those
 * that are there: created ≤ queued ≤ started ≤ finished, always. `$min` and `$max` ignore what is null or missing.
 */

/** When its first batch was dispatched: kept where it is set. */
export function queuedAt(now: Date): Document {
  return {
    $ifNull: ['$queuedAt', { $max: ['$createdAt', { $min: [now, '$startedAt', '$finishedAt'] }] }],
  };
}

/** When it had its first outcome: kept where it is set. */
export function startedAt(now: Date): Document {
  return { $ifNull: ['$startedAt', { $max: ['$createdAt', '$queuedAt', now] }] };
}

/** When it had its last outcome. */
export function finishedAt(now: Date): Document {
  return { $max: ['$createdAt', '$queuedAt', '$startedAt', now] };
}

/** When it changed last. */
export function updatedAt(now: Date): Document {
  return { $max: ['$updatedAt', now] };
}
