import type { Document } from 'mongodb';

/*
 * The times of an action, as expressions of an update pipeline. They come from the clocks of several processes and are
 * written in any order: an action may have its first outcome before its dispatch is recorded. So each time is bounded
 * by the times that exist already: created ≤ queued ≤ started ≤ finished, always. `$min` and `$max` ignore null and
 * missing values.
 */

/** Returns when the first batch of an action was dispatched. A time that is set already stays. */
export function queuedAt(now: Date): Document {
  return {
    $ifNull: ['$queuedAt', { $max: ['$createdAt', { $min: [now, '$startedAt', '$finishedAt'] }] }],
  };
}

/** Returns when an action had its first outcome. A time that is set already stays. */
export function startedAt(now: Date): Document {
  return { $ifNull: ['$startedAt', { $max: ['$createdAt', '$queuedAt', now] }] };
}

/** Returns when an action had its last outcome. */
export function finishedAt(now: Date): Document {
  return { $max: ['$createdAt', '$queuedAt', '$startedAt', now] };
}

/** Returns when an action changed last. */
export function updatedAt(now: Date): Document {
  return { $max: ['$updatedAt', now] };
}
