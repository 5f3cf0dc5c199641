/** How long the platform keeps the records that identify repeated work. All times in ms. */
export interface Lifetimes {
  /** `retention.ms` of the topics: Kafka keeps a record at least this long. */
  readonly retentionMs: number;
  /** `segment.ms` of the topics. Kafka deletes whole segments, so it keeps a record of a quiet partition this much longer. */
  readonly segmentMs: number;
  /** Kafka keeps no record longer than this. */
  readonly longestKeptMs: number;
  /** Default limit of the time that a batch waits in retry topics. */
  readonly retryMaxAgeMs: number;
  /** Upper limit of the time that a batch waits in retry topics, the last wait included. */
  readonly retryAgeLimitMs: number;
  /**
   * How long tombstones, and first positions that are never released, are kept: longer than any copy of a batch exists.
   */
  readonly recognisedMs: number;
}

const HOUR_MS = 3_600_000;
/** By default, Kafka looks for segments to delete every five minutes and deletes their files a minute later. */
const DELETION_DELAY_MS = HOUR_MS;
/** Margin for clocks that differ and for a batch that is applied slowly. */
const MARGIN_MS = HOUR_MS;
/** Number of segments per retention. More segments mean more files, and less data that outlives its retention. */
const SEGMENTS = 7;

/**
 * Derives every lifetime from how long Kafka keeps records, so that they cannot contradict each other:
 *
 * - segment = retention / 7
 * - longest kept = retention + segment + 1 h for the deletion
 * - retry age: retention / 7 by default, retention / 2 at most
 * - recognised = longest kept + longest retry age + 1 h
 *
 * A batch that is read at the last moment and then waits in retry topics for the maximum time still finds the tombstone
 * of an entity that was deleted after its dispatch (G5), and the first positions of its action (G4).
 */
export function lifetimesOf(retentionMs: number): Lifetimes {
  const segmentMs = Math.ceil(retentionMs / SEGMENTS);
  const longestKeptMs = retentionMs + segmentMs + DELETION_DELAY_MS;
  const retryAgeLimitMs = Math.floor(retentionMs / 2);
  return {
    retentionMs,
    segmentMs,
    longestKeptMs,
    retryMaxAgeMs: Math.floor(retentionMs / SEGMENTS),
    retryAgeLimitMs,
    recognisedMs: longestKeptMs + retryAgeLimitMs + MARGIN_MS,
  };
}
