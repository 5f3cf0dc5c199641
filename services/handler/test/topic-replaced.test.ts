import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Health } from '@bulk/runtime';
import { loadConfig } from '@bulk/runtime';
import { eventually, inProcessService } from '@bulk/testing';
import { handlerConfigSchema } from '../src/config.ts';
import { startHandler } from '../src/container.ts';
import { entity, HandlerHarness, idsIn } from './harness.ts';

let harness: HandlerHarness;
let topic: string;
let ids: string[];
beforeEach(async () => {
  harness = await HandlerHarness.create();
  topic = harness.installation.topics.entityBatches.normal;
  ids = idsIn(0, 2);
  await harness.givenContacts(ids);
});
afterEach(() => harness.installation.dispose());

/** Publishes batches of one action each. All of them change the same entities in partition 0. */
async function publish(count: number): Promise<string[]> {
  const actionIds = Array.from({ length: count }, () => randomUUID());
  await harness.publish(
    ...actionIds.map((actionId, n) => ({
      actionId,
      batchNo: 0,
      partition: 0,
      entities: ids.map((id, i) => entity(i, id, { lastName: `After ${n}` })),
    })),
  );
  return actionIds;
}

const componentOf = (health: Health): { state: string; reason?: string } | undefined =>
  health.report().components['kafka topics'];

const refused = (health: Health): Promise<unknown> =>
  eventually('handler names the topic', () =>
    componentOf(health)?.reason?.includes(`topic ${topic} was deleted`),
  );

/** The last step of the migration, which clears the fences. */
async function migrate(): Promise<void> {
  await harness.database.db.collection<{ _id: string }>('installation').deleteOne({ _id: `topic:${topic}` });
  await harness.database.entities('contacts').updateMany({}, { $unset: { fence: '' } });
}

describe('a lane’s topic that was deleted and created again, with more messages than before', () => {
  it('is detected at the start, and none of its messages is processed or skipped until the migration is done', async () => {
    await harness.start();
    await harness.awaitResults(2, ...(await publish(2)));
    await harness.stop();
    await harness.installation.recreateTopic(topic);
    const later = await publish(5);

    const service = inProcessService();
    harness.installation.onDispose(() => service.stop());
    const config = loadConfig(handlerConfigSchema, harness.installation.env);
    const starting = startHandler(config, service.context);
    await refused(service.context.health);
    expect(service.context.health.ready).toBe(false);
    expect(await harness.resultsOf(...later)).toEqual([]);
    await migrate();
    await starting;
    const results = await harness.awaitResults(5, ...later);
    expect(results.flatMap(({ outcomes }) => outcomes.map(({ status }) => status))).toEqual(
      Array.from({ length: 10 }, () => 'success'),
    );
  });

  it('is detected by a running handler', async () => {
    const { context, failures } = await harness.start();
    await harness.awaitResults(2, ...(await publish(2)));
    await harness.installation.recreateTopic(topic);
    const later = await publish(5);
    await refused(context.health);
    expect(componentOf(context.health)?.state).toBe('waiting');
    // Another lane continues meanwhile. Any batch that handler had fetched of this lane would be
    // done by then.
    const other = randomUUID();
    const [third] = idsIn(1, 1) as [string];
    await harness.givenContacts([third]);
    await harness.publish({
      actionId: other,
      batchNo: 0,
      partition: 1,
      lane: 'high',
      entities: [entity(0, third, { lastName: 'x' })],
    });
    await harness.awaitResults(1, other);
    expect(await harness.resultsOf(...later)).toEqual([]);
    await harness.stop();
    await migrate();
    await harness.start();
    await harness.awaitResults(5, ...later);
    expect(failures).toEqual([]);
  });
});
