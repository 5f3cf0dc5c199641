import { STAGING, UNFINISHED_STATUSES } from '@bulk/domain';
import type { Kafka } from '@bulk/kafka';
import type { ActionDocument, Database } from '@bulk/mongo';
import type { Filter } from 'mongodb';
import { readLag, sharedGroups } from '../lag/read-lag.ts';

/** Number of actions that a report names. */
const NAMED = 10;

/** Matches unfinished actions of which batches may have been published. */
const STARTED: Filter<ActionDocument> = {
  status: { $in: UNFINISHED_STATUSES },
  $or: [
    { 'dispatch.nextBatch': { $gt: 0 } },
    { 'dispatch.skipFrom': { $exists: true } },
    { countedBatches: { $gt: 0 } },
  ],
};

/** Matches accepted actions of which nothing was published. They wait for their schedule, are paused, or are new. */
export const UNSTARTED: Filter<ActionDocument> = {
  status: { $in: UNFINISHED_STATUSES },
  'dispatch.nextBatch': 0,
  'dispatch.skipFrom': { $exists: false },
  countedBatches: 0,
};

/**
 * Returns what keeps the topics of an installation from being replaced, one reason per line; nothing if all is drained.
 *
 * It asks for consumers that still run, for messages that are not processed yet, for uploads, and for actions that have
 * started and not ended.
 *
 * @throws kafkajs' error; the driver's error.
 */
export async function findUndrained(database: Database, kafka: Kafka, prefix: string): Promise<string[]> {
  return [
    ...(await membersOf(kafka, prefix)),
    ...(await readLag(kafka, sharedGroups(prefix)))
      .filter(({ messages }) => messages > 0)
      .map(({ group, topic, messages }) => `${group} has not processed ${messages} messages of ${topic}`),
    ...(await leases(database)),
    ...(await startedActions(database)),
  ];
}

/** Returns the groups that have members: services that are still running. */
export async function membersOf(kafka: Kafka, prefix: string): Promise<string[]> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const names = [...new Set(sharedGroups(prefix).map(({ group }) => group))];
    const { groups } = await admin.describeGroups(names);
    return groups
      .filter(({ members }) => members.length > 0)
      .map(({ groupId, members }) => `${groupId} has ${members.length} members: stop the services`);
  } finally {
    await admin.disconnect();
  }
}

async function leases({ actions }: Database): Promise<string[]> {
  const leased = await actions.countDocuments({ 'dispatch.lease.until': { $gt: new Date() } });
  const staging = await actions.countDocuments({
    status: STAGING,
    updatedAt: { $gt: new Date(Date.now() - UPLOAD_ALIVE_MS) },
  });
  return [
    ...(leased === 0
      ? []
      : [`${leased} actions are leased by an intake: stop intake, and wait for a minute`]),
    ...(staging === 0 ? [] : [`${staging} uploads are under way: stop intake, and wait for a minute`]),
  ];
}

/** An upload that has written nothing for this long has no process any more, in ms. */
const UPLOAD_ALIVE_MS = 60_000;

async function startedActions({ actions }: Database): Promise<string[]> {
  const count = await actions.countDocuments(STARTED);
  if (count === 0) return [];
  const found = await actions.find(STARTED, { projection: { status: 1 }, limit: NAMED }).toArray();
  const named = found.map(({ _id, status }) => `${_id} (${status})`).join(', ');
  return [`${count} actions have started and not ended: let them end, or cancel them: ${named}`];
}
