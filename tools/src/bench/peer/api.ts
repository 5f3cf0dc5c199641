import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Queue } from 'bullmq';
import { ObjectId } from 'mongodb';
import { z } from 'zod';
import { QUEUE, viewOf, type PeerAction, type PeerEntity, type PeerJob, type PeerView } from './documents.ts';
import { report, type PeerParts } from './parts.ts';

/** Number of jobs per addBulk, which is one pipeline to Redis. */
const JOBS_PER_CALL = 500;
const ATTEMPTS = 3;
const BACKOFF_MS = 1_000;
const MAX_ID_LENGTH = 256;

const requestSchema = z.object({
  actionType: z.enum(['update', 'noop']),
  entities: z.array(z.unknown()).min(1),
});

class BadRequestError extends Error {}

/** Starts the REST API: `POST /bulk-actions` stores an action and queues its batches. */
export async function createApi(parts: PeerParts): Promise<Server> {
  const { config, connectRedis, releasers } = parts;
  const queue = new Queue<PeerJob>(QUEUE, {
    connection: await connectRedis(),
    prefix: config.REDIS_PREFIX,
    defaultJobOptions: {
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: BACKOFF_MS },
      removeOnComplete: true,
      removeOnFail: { age: 86_400, count: 10_000 },
    },
  });
  queue.on('error', (error) => report('queue', error));
  releasers.push('queue', () => queue.close());
  await queue.waitUntilReady();
  return createServer((request, response) => {
    respond(parts, queue, request, response).catch((error: unknown) => {
      const bad = error instanceof BadRequestError;
      if (!bad) report('request', error);
      answer(response, bad ? 400 : 503, { success: false, error: bad ? error.message : 'try again later' });
    });
  });
}

async function respond(
  parts: PeerParts,
  queue: Queue<PeerJob>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'GET' && request.url === '/readyz') {
    answer(response, 200, { success: true });
    return;
  }
  if (request.method !== 'POST' || request.url !== '/bulk-actions') {
    answer(response, 404, { success: false, error: 'expected POST /bulk-actions' });
    return;
  }
  const accountId = request.headers['x-account-id'];
  if (typeof accountId !== 'string') throw new BadRequestError('x-account-id: expected an account');
  const { actionType, entities } = checked(await buffer(request));
  const data = await createAction(parts, queue, { accountId, actionType, entities });
  answer(response, 202, { success: true, data });
}

function checked(body: Buffer): { actionType: string; entities: readonly PeerEntity[] } {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new BadRequestError('body: expected JSON');
  }
  const parsed = requestSchema.safeParse(json);
  if (!parsed.success) throw new BadRequestError(z.prettifyError(parsed.error));
  const { actionType, entities } = parsed.data;
  if (!entities.every(isEntity)) throw new BadRequestError('entities: expected an id in each of them');
  return { actionType, entities };
}

/** Checks by hand, as fast as it can be, that an entity has an id. */
function isEntity(value: unknown): value is PeerEntity {
  if (typeof value !== 'object' || value === null || !('id' in value)) return false;
  return typeof value.id === 'string' && value.id.length > 0 && value.id.length <= MAX_ID_LENGTH;
}

/** Stores the action, then queues its batches. The action is accepted once Redis has them all. */
async function createAction(
  { actions, config }: PeerParts,
  queue: Queue<PeerJob>,
  request: { accountId: string; actionType: string; entities: readonly PeerEntity[] },
): Promise<PeerView> {
  const { accountId, actionType, entities } = request;
  const actionId = new ObjectId().toHexString();
  const now = new Date();
  const action: PeerAction = {
    _id: actionId,
    accountId,
    actionType,
    status: 'queued',
    total: entities.length,
    stats: { processed: 0, success: 0, failure: 0, skipped: 0 },
    createdAt: now,
    updatedAt: now,
  };
  await actions.insertOne(action);
  const size = config.BATCH_SIZE;
  const batches = Math.ceil(entities.length / size);
  try {
    for (let from = 0; from < batches; from += JOBS_PER_CALL) {
      const jobs = Array.from({ length: Math.min(JOBS_PER_CALL, batches - from) }, (_, i) => {
        const batchNo = from + i;
        const firstPosition = batchNo * size;
        const batch = entities.slice(firstPosition, firstPosition + size);
        return {
          name: actionType,
          data: { actionId, accountId, actionType, batchNo, firstPosition, entities: batch },
          opts: { jobId: `${actionId}-${batchNo}` },
        };
      });
      await queue.addBulk(jobs);
    }
  } catch (error) {
    await actions.updateOne({ _id: actionId }, { $set: { status: 'failed', updatedAt: new Date() } });
    throw error;
  }
  return viewOf(action);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
