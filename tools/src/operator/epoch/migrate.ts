import { CodedError } from '@bulk/domain';
import { createKafka, type KafkaConfig } from '@bulk/kafka';
import {
  checkDatabaseOwner,
  completeEpoch,
  readCompletedPrefix,
  readOpenEpoch,
  startEpoch,
  type Database,
} from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { provideTopics } from './new-topics.ts';
import { Restaging } from './restage.ts';
import { findUndrained } from './undrained.ts';

/** Thrown when work is under way. The message says what. Nothing was changed. */
export class NotDrainedError extends CodedError {
  constructor(reasons: readonly string[]) {
    super(
      'NOT_DRAINED',
      `the installation is not drained, and nothing was changed:\n  ${reasons.join('\n  ')}`,
    );
  }
}

/** Thrown when the target of a migration cannot be reached from the present settings. */
export class MigrationRefusedError extends CodedError {
  constructor(message: string) {
    super('MIGRATION_REFUSED', message);
  }
}

/** The settings that a migration changes. */
export interface MigrationTarget {
  readonly prefix: string;
  readonly lanePartitions: number;
  /** @default as configured */
  readonly resultsPartitions?: number | undefined;
}

export interface Migrated {
  /** Number of the epoch that the new topics start. */
  readonly epoch: number;
  /** Number of waiting actions whose batches were cut for the new partitions. */
  readonly restaged: number;
  /** The settings that every service needs from now on. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Gives an installation lanes with more partitions, under a new prefix.
 *
 * The places of the new topics start beyond every place of the old ones, so the fences of entities and the counts of
 * actions stay as they are. Actions that have not started keep their place: their batches are cut again. It may be
 * killed at any time and repeated with the same target.
 *
 * @param config the present settings.
 * @throws MigrationRefusedError, ForeignDatabaseError, NotDrainedError, NotRestagedError; the error of a part that is unavailable.
 */
export async function migratePartitions(
  database: Database,
  config: KafkaConfig,
  { prefix, lanePartitions, resultsPartitions = config.KAFKA_RESULTS_PARTITIONS }: MigrationTarget,
  signal: AbortSignal,
): Promise<Migrated> {
  if (prefix === config.TOPIC_PREFIX)
    throw new MigrationRefusedError(
      `the new prefix must differ from the present one, ${config.TOPIC_PREFIX}`,
    );
  // Outcomes are read by partition, so a lower number would hide those of ended actions.
  if (lanePartitions < config.KAFKA_LANE_PARTITIONS)
    throw new MigrationRefusedError(
      `expected at least the present ${config.KAFKA_LANE_PARTITIONS} partitions`,
    );
  // Its topics are in use, so their places must not move again.
  if ((await readCompletedPrefix(database)) === prefix)
    throw new MigrationRefusedError(
      `the migration to ${prefix} is complete: set TOPIC_PREFIX to it for ops as well`,
    );
  await checkDatabaseOwner(database, config.TOPIC_PREFIX);
  const kafka = createKafka('ops', config, silentLogger());
  const reasons = await findUndrained(database, kafka, config.TOPIC_PREFIX);
  if (reasons.length > 0) throw new NotDrainedError(reasons);
  await checkLaterRun(database, prefix);

  const target = {
    ...config,
    TOPIC_PREFIX: prefix,
    KAFKA_LANE_PARTITIONS: lanePartitions,
    KAFKA_RESULTS_PARTITIONS: resultsPartitions,
  };
  const { ids } = await provideTopics(target);
  const epoch = await startEpoch(database, prefix, ids);
  const restaging = new Restaging(database, lanePartitions);
  const restaged = await restaging.run(signal);
  await restaging.verify();
  await completeEpoch(database);
  await restaging.forget();
  return {
    epoch,
    restaged,
    settings: {
      TOPIC_PREFIX: prefix,
      KAFKA_LANE_PARTITIONS: String(lanePartitions),
      KAFKA_RESULTS_PARTITIONS: String(resultsPartitions),
    },
  };
}

/** Refuses a target that differs from that of a run which was killed. */
async function checkLaterRun(database: Database, prefix: string): Promise<void> {
  const open = await readOpenEpoch(database);
  if (open !== undefined && open.prefix !== prefix)
    throw new MigrationRefusedError(`a migration to ${open.prefix} was started: complete that one first`);
}
