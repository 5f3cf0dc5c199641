import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLogger } from '@bulk/runtime';
import { AWAY, eventually, linkTo } from '@bulk/testing';
import { Janitor } from '../src/clean-up/janitor.ts';
import { entitiesOf, IntakeHarness, LATE_WRITE_MS, positionsOf, type PublishedBatch } from './harness.ts';

const SIZE = 300;
const HOUR_MS = 3_600_000;

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

/** Returns what the janitor leaves, when every late write must have arrived. */
async function swept(): Promise<Record<string, number>> {
  for (const ahead of [2 * HOUR_MS, 4 * HOUR_MS]) {
    const options = { stagingTimeoutMs: HOUR_MS, stagedRetentionMs: HOUR_MS, lateWriteMs: LATE_WRITE_MS };
    const now = (): Date => new Date(Date.now() + ahead);
    await new Janitor(harness.database, { ...options, now }, silentLogger()).sweep();
  }
  return harness.traces();
}

/** Returns the first copy of each batch. handler drops any other. */
function firstCopies(published: readonly PublishedBatch[]): PublishedBatch[] {
  const first = new Map<number, PublishedBatch>();
  for (const one of published) {
    const known = first.get(one.batch.batchNo);
    if (known === undefined) first.set(one.batch.batchNo, one);
    else expect([one.partition, one.batch]).toEqual([known.partition, known.batch]);
  }
  return [...first.values()];
}

describe('an upload that loses MongoDB in the middle', () => {
  // If connections are dead and new ones are not, the driver's own second try is accepted.
  it.each([{ fault: 'break' }, { fault: 'blackHole' }] as const)(
    'is refused as retryable, leaves nothing behind, and its repetition is accepted ($fault)',
    async ({ fault }) => {
      const { link, env } = await linkTo('mongodb', harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const service = await harness.start({ ...env, MONGODB_TIMEOUT_MS: '1000', STAGING_GROUP_BATCHES: '2' });
      const lines = entitiesOf(SIZE).map((entity) => `${JSON.stringify(entity)}\n`);
      const upload = (rows: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Response> =>
        fetch(`${harness.url}/bulk-actions?actionType=update`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson', 'x-account-id': 'acme' },
          body: ReadableStream.from(rows),
          duplex: 'half',
        });
      async function* brokenOff(): AsyncGenerator<Buffer> {
        yield Buffer.from(lines.slice(0, SIZE / 2).join(''));
        await eventually(
          'a part is staged',
          async () => (await harness.database.stagedBatches.countDocuments({})) > 0,
        );
        link[fault]();
        yield Buffer.from(lines.slice(SIZE / 2).join(''));
      }
      const refused = await upload(brokenOff());
      const answer = (await refused.json()) as { error?: { code: string } };
      expect([refused.status, answer.error?.code]).toEqual([503, 'DEPENDENCY_UNAVAILABLE']);
      expect(refused.headers.get('retry-after')).toBe('5');
      link.restore();
      await eventually('healthy', () => service.context.health.healthy);
      expect((await harness.get('/bulk-actions')).body.pagination?.['total']).toBe(0);
      expect(await swept()).toEqual({ actions: 0, staged: 0, submitted: 0, batches: 0 });

      const accepted = await upload([Buffer.from(lines.join(''))]);
      expect(accepted.status).toBe(202);
      const { data } = (await accepted.json()) as { data: { actionId: string } };
      const published = await eventually('all is dispatched', async () => {
        const found = await harness.published(data.actionId);
        return positionsOf(firstCopies(found)).length === SIZE ? found : undefined;
      });
      expect(positionsOf(firstCopies(published))).toEqual(lines.map((_, i) => i));
      expect(service.failures).toEqual([]);
    },
  );
});

describe('a dispatch that loses Kafka in the middle', () => {
  it.each(AWAY.map((fault) => ({ fault })))(
    'publishes every batch in order, once except for second copies, while uploads are still accepted ($fault)',
    async ({ fault }) => {
      const { link, env } = await linkTo('kafka', harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const service = await harness.start({
        ...env,
        KAFKA_REQUEST_TIMEOUT_MS: '1000',
        DISPATCH_WINDOW_BATCHES: '2',
        DISPATCH_IN_FLIGHT_BATCHES: '1000',
        DISPATCH_RETRY_DELAY_MS: '500',
      });
      link.delay(15);
      const post = async (): Promise<string> => {
        const { status, body } = await harness.post({ actionType: 'update', entities: entitiesOf(SIZE) });
        expect(status).toBe(202);
        return String(body.data!['actionId']);
      };
      const underWay = await post();
      await eventually('it is under way', async () => (await harness.published(underWay)).length >= 4, {
        everyMs: 5,
      });
      link[fault]();
      link.delay(0);
      const meanwhile = await post();
      if (fault !== 'hang') {
        await eventually('Kafka is reported', () => !service.context.health.healthy);
        // A load balancer that follows readiness keeps sending uploads.
        expect(service.context.health.ready).toBe(true);
        expect(await harness.post({ actionType: 'update', entities: entitiesOf(1) })).toMatchObject({
          status: 202,
        });
        expect((await harness.database.actions.findOne({ _id: underWay }))?.dispatch.done).toBe(false);
        link.restore();
      }
      for (const actionId of [underWay, meanwhile]) {
        const published = await eventually('all is dispatched', async () => {
          const found = await harness.published(actionId);
          return positionsOf(firstCopies(found)).length === SIZE ? found : undefined;
        });
        const batches = firstCopies(published);
        expect(positionsOf(batches)).toEqual(Array.from({ length: SIZE }, (_, i) => i));
        for (const lane of [0, 1, 2]) {
          const order = batches
            .filter(({ partition }) => partition === lane)
            .map(({ batch }) => batch.batchNo);
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
        await eventually('it is recorded', async () => {
          return (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done;
        });
      }
      await eventually('healthy', () => service.context.health.healthy);
      expect(service.failures).toEqual([]);
    },
  );
});
