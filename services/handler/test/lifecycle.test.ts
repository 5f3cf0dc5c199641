import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { success, type Outcome } from '@bulk/domain';
import { loadConfig } from '@bulk/runtime';
import { eventually, inProcessService } from '@bulk/testing';
import { BatchApplier } from '../src/application/batch-applier.ts';
import { handlerConfigSchema } from '../src/config.ts';
import { BatchConsumer } from '../src/consumption/batch-consumer.ts';
import { createContainer, TOKENS } from '../src/container.ts';
import { entity, HandlerHarness, idsIn, withActionType } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

describe('handler', () => {
  it('resolves its composition root', async () => {
    const service = inProcessService();
    const config = loadConfig(handlerConfigSchema, harness.installation.env);
    const container = await createContainer(config, service.context);
    expect(container.get(TOKENS.consumer)).toBeInstanceOf(BatchConsumer);
    expect(container.get(TOKENS.applier)).toBeInstanceOf(BatchApplier);
    expect(container.get(TOKENS.applier)).toBe(container.get(TOKENS.applier));
    await service.stop();
  });

  it('is ready while it consumes, and unready while it stops', async () => {
    const service = await harness.start();
    expect(service.context.health.report()).toMatchObject({ ready: true });
    await harness.stop();
    expect(service.context.health.report()).toMatchObject({ ready: false, stopping: true });
    expect(service.failures).toEqual([]);
  });

  it('shares the partitions with a second handler, and every batch has one result', async () => {
    const actionId = randomUUID();
    const second = new HarnessTwin(harness);
    await harness.start();
    await second.start();
    const ids = [0, 1, 2].map((partition) => idsIn(partition, 40, 'two'));
    await harness.givenContacts(ids.flat());
    let batchNo = 0;
    for (let i = 0; i < 40; i += 1) {
      for (const partition of [0, 1, 2]) {
        const id = ids[partition]![i]!;
        await harness.publish({
          actionId,
          batchNo,
          partition,
          entities: [entity(batchNo, id, { score: 1 })],
        });
        batchNo += 1;
      }
      if (i === 20) await second.stop(); // the partitions move in the middle
    }
    // A rebalance may process a batch, and produce its result, a second time.
    const results = await eventually('a result of every batch', async () => {
      const seen = await harness.resultsOf(actionId);
      return new Set(seen.map(({ resultId }) => resultId)).size >= 120 ? seen : undefined;
    });
    expect(new Set(results.map(({ resultId }) => resultId)).size).toBe(120);
    expect(results.every(({ outcomes }) => outcomes[0]!.status === 'success')).toBe(true);
    const versions = await harness.database.entities('contacts').distinct('version');
    expect(versions).toEqual([2]);
  });
});

describe('a handler that is asked to stop while an entity hangs', () => {
  it('leaves the groups within its grace time, and another handler applies the batch', async () => {
    const [id] = idsIn(0, 1) as [string];
    const actionId = randomUUID();
    let isHanging = false;
    let release = (): void => undefined;
    const released = new Promise<Outcome>((resolve) => (release = () => resolve(success())));
    const registry = (process: () => Promise<Outcome>) => withActionType('call', { process });
    // Longer than the whole test may take.
    const session = { KAFKA_SESSION_TIMEOUT_MS: '30000' };
    const service = await harness.start(
      registry(() => {
        isHanging = true;
        return released;
      }),
      session,
    );
    await harness.publish({
      actionId,
      batchNo: 0,
      partition: 0,
      actionType: 'call',
      entities: [entity(0, id, {})],
    });
    await eventually('the entity hangs', () => isHanging);
    const since = performance.now();
    await service.stop(4_000);
    expect(performance.now() - since).toBeLessThan(4_000);
    await harness.start(
      registry(() => Promise.resolve(success())),
      session,
    );
    const [result] = await harness.awaitResults(1, actionId);
    expect(performance.now() - since).toBeLessThan(20_000);
    expect(result!.outcomes.map(({ status }) => status)).toEqual(['success']);
    release();
    expect(service.failures).toEqual([]);
  });
});

/** A second handler of the same installation. */
class HarnessTwin {
  readonly #harness: HandlerHarness;
  #stop: (() => Promise<void>) | undefined;

  constructor(harness_: HandlerHarness) {
    this.#harness = harness_;
  }

  async start(): Promise<void> {
    const { startHandler } = await import('../src/container.ts');
    const service = inProcessService();
    await startHandler(loadConfig(handlerConfigSchema, this.#harness.installation.env), service.context);
    this.#stop = () => service.stop();
  }

  async stop(): Promise<void> {
    await this.#stop?.();
  }
}
