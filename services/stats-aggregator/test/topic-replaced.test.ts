import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

describe('a results topic that was deleted and created again, with more messages than before', () => {
  it('is detected by a running stats-aggregator, which neither counts nor drops a result until an operator has acted', async () => {
    const { results } = harness.installation.topics;
    const actionId = randomUUID();
    await harness.givenAction(actionId, 60);
    const { context, failures } = await harness.start();
    await harness.publish(harness.result(actionId, 0), harness.result(actionId, 1));
    const counted = async (): Promise<number> =>
      (await harness.database.actions.findOne({ _id: actionId }))?.countedBatches ?? 0;
    await eventually('two are counted', async () => (await counted()) === 2);

    await harness.installation.recreateTopic(results);
    await harness.publish(...[2, 3, 4, 5].map((n) => harness.result(actionId, n)));
    const component = await eventually('it names the topic', () => {
      const found = context.health.report().components['kafka topics'];
      return found?.reason?.includes(`topic ${results} was deleted`) === true ? found : undefined;
    });
    expect(component.state).toBe('waiting');
    expect(await counted()).toBe(2);
    await harness.stop();

    // An operator has acted: no count names an offset of the old topic any more.
    await harness.database.actions.updateMany({}, { $set: { applied: {} } });
    await harness.database.db
      .collection<{ _id: string }>('installation')
      .deleteOne({ _id: `topic:${results}` });
    await harness.start();
    await harness.awaitStatus(actionId, 'completed');
    expect(await counted()).toBe(6);
    expect(harness.deadLetters.messages).toEqual([]);
    expect(failures).toEqual([]);
  });
});
