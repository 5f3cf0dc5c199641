import { allTopics, guardedTopics, topicNames } from '@bulk/contracts';
import { UNFINISHED_STATUSES } from '@bulk/domain';
import { createKafka, TopicIds, type Kafka, type KafkaConfig } from '@bulk/kafka';
import { checkDatabaseOwner, readTopicIds, reconcile, type Database } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { membersOf } from '../epoch/undrained.ts';
import { sharedGroups } from '../lag/read-lag.ts';
import { actionIds } from '../reconcile/action-ids.ts';
import { faultsOf } from '../reconcile/report.ts';

/** What a restored installation is like. */
export interface RestoreReport {
  /** Number of actions, and how many of them have not ended. */
  readonly actions: number;
  readonly unfinished: number;
  /** What is wrong, one line each; nothing if the services may start. */
  readonly faults: readonly string[];
  /** Groups that were set back to the beginning of their topics. */
  readonly reset: readonly string[];
}

/**
 * Checks an installation whose MongoDB was restored to an earlier time, before the services start.
 *
 * It asks whether services still run, whether the topics are those to whose offsets the data refers, whether counts
 * equal logs, and whether every unfinished action has its staged batches.
 *
 * @param resetGroups sets the groups of handler and stats-aggregator back to the first messages that Kafka holds. What
 * was applied and counted before the backup is recognised, and what came later is applied and counted again, once.
 * @throws ForeignDatabaseError; the error of a part that is unavailable.
 */
export async function checkRestore(
  database: Database,
  config: KafkaConfig,
  resetGroups: boolean,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const prefix = config.TOPIC_PREFIX;
  await checkDatabaseOwner(database, prefix);
  const kafka = createKafka('ops', config, silentLogger());
  const running = await membersOf(kafka, prefix);
  const faults = [...running, ...(await replacedTopics(kafka, database, prefix))];
  let actions = 0;
  for await (const id of actionIds(database, true)) {
    signal.throwIfAborted();
    actions += 1;
    const found = await reconcile(database, id);
    if (found === undefined) continue;
    faults.push(...faultsOf(found).map((fault) => `action ${id}: ${fault}`));
  }
  let unfinished = 0;
  for await (const { _id, batchCount } of database.actions.find({ status: { $in: UNFINISHED_STATUSES } })) {
    unfinished += 1;
    const staged = await database.stagedBatches.countDocuments({ actionId: _id });
    if (staged !== batchCount) faults.push(`action ${_id}: ${staged} of ${batchCount} staged batches`);
  }
  const reset = resetGroups && faults.length === 0 ? await resetGroupsOf(kafka, prefix) : [];
  return { actions, unfinished, faults, reset };
}

/** Returns the topics that are not those to whose offsets the data refers. */
async function replacedTopics(kafka: Kafka, database: Database, prefix: string): Promise<string[]> {
  const ids = new TopicIds(kafka);
  try {
    const names = topicNames(prefix);
    const guarded = new Set(guardedTopics(names));
    const found = await ids.of(allTopics(names));
    const known = await readTopicIds(database, [...found.keys()]);
    const faults: string[] = [];
    for (const [topic, id] of found) {
      const recorded = known.get(topic);
      if (recorded === undefined && guarded.has(topic))
        faults.push(
          `the backup does not know ${topic}: it is older than a change of topics, see docs/operations/backup.md`,
        );
      if (recorded !== undefined && recorded !== id)
        faults.push(`${topic} was created again since the backup: run \`ops rebuild-kafka\``);
    }
    return faults;
  } finally {
    await ids.close();
  }
}

/**
 * Sets the groups of lanes and results back to the first messages, and those of retry topics on to the end: the lanes hold
 * every batch that waits in a retry topic. Read from a retry topic it would overtake the batches in front of it.
 *
 * @returns the names of the groups.
 */
async function resetGroupsOf(kafka: Kafka, prefix: string): Promise<string[]> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const groups = sharedGroups(prefix);
    const retries = new Set<string>(Object.values(topicNames(prefix).retries));
    for (const { group, topic } of groups) {
      const isRetry = retries.has(topic);
      const offsets = await admin.fetchTopicOffsets(topic);
      await admin.setOffsets({
        groupId: group,
        topic,
        partitions: offsets.map(({ partition, low, high }) => ({ partition, offset: isRetry ? high : low })),
      });
    }
    return [...new Set(groups.map(({ group }) => group))];
  } finally {
    await admin.disconnect();
  }
}
