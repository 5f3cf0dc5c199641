import { failure, skipped, type Outcome } from '@bulk/domain';
import { Worker, type Job } from 'bullmq';
import { peerActionTypes } from './action-types.ts';
import { faultOf } from './contact-rules.ts';
import { QUEUE, type PeerEntity, type PeerJob } from './documents.ts';
import { Owners } from './owners.ts';
import { report, type PeerParts } from './parts.ts';
import { Settlement } from './settlement.ts';

/**
 * Starts a worker: it writes a batch, logs it, counts it and publishes the progress.
 *
 * The effect is at least once: a batch that is retried after it was counted is counted twice.
 */
export async function startWorker(parts: PeerParts): Promise<void> {
  const { config, db, connectRedis, releasers } = parts;
  const redis = await connectRedis();
  const prefix = config.REDIS_PREFIX;
  const owners = new Owners(redis, prefix);
  const settlement = new Settlement(parts, redis, { prefix, logMode: config.PEER_LOG_MODE });
  const actionTypes = peerActionTypes(db);

  const processBatch = async ({ data, attemptsMade }: Job<PeerJob>): Promise<void> => {
    const actionType = actionTypes.get(data.actionType);
    if (actionType === undefined) throw new Error(`unknown action type ${data.actionType}`);
    const duplicates = await owners.duplicatesOf(data);
    const refused = data.entities.map((entity, i) => refusalOf(entity, duplicates.has(i)));
    const open = data.entities.filter((_, i) => refused[i] === undefined);
    const applied = await actionType(open, { accountId: data.accountId, now: new Date() });
    let next = 0;
    const outcomes = refused.map((outcome) => outcome ?? appliedOutcome(applied[next++]));
    await settlement.settle(data, outcomes, attemptsMade + 1);
  };

  const worker = new Worker<PeerJob>(QUEUE, processBatch, {
    connection: redis,
    prefix,
    concurrency: config.PEER_CONCURRENCY,
  });
  worker.on('error', (error) => report('worker', error));
  worker.on('failed', (job, error) => {
    // Another attempt follows, unless the job is finished. Then its entities fail, so that the
    // action comes to its end.
    if (job?.finishedOn === undefined) return;
    report(`job ${job.id ?? ''}`, error);
    const outcomes = job.data.entities.map(() => failure('PROCESSING_ERROR', error.message));
    settlement
      .settle(job.data, outcomes, job.attemptsMade)
      .catch((reason: unknown) => report('a failed job is not counted', reason));
  });
  releasers.push('worker', () => worker.close());
  await worker.waitUntilReady();
}

function refusalOf(entity: PeerEntity, duplicate: boolean): Outcome | undefined {
  if (duplicate) return skipped('DUPLICATE_ENTITY', 'the entity came earlier in this action');
  const fault = faultOf(entity);
  return fault === undefined ? undefined : failure('INVALID_ENTITY', fault);
}

function appliedOutcome(outcome: Outcome | undefined): Outcome {
  if (outcome === undefined) throw new Error('the action type returned too few outcomes');
  return outcome;
}
