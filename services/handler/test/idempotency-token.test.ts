import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ActionRegistry, ENTITY_TYPES, type BulkActionHandler } from '@bulk/action-types';
import { CodedError, success } from '@bulk/domain';
import { z } from 'zod';
import { entity, HandlerHarness, idsIn } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

/**
 * An external mail system. It keeps the first mail of each token, and counts the mails that it was
 * sent.
 */
class Outbox {
  readonly sent = new Map<string, string>();
  deliveries = 0;

  post(token: string, to: string): void {
    this.deliveries += 1;
    if (!this.sent.has(token)) this.sent.set(token, to);
  }
}

/** Builds an action type that mails every entity and crashes once after the mail to `fallsAt`. */
function mailing(outbox: Outbox, fallsAt: string): ActionRegistry {
  let falls = 1;
  const mail: BulkActionHandler<Record<string, unknown>> = {
    actionType: 'mail',
    getConfigSchema: () => z.record(z.string(), z.unknown()),
    validatePayload: ({ config }) => Promise.resolve(config),
    processEntity: ({ id, position }, _config, context) => {
      outbox.post(context.idempotencyToken(position), id);
      if (id === fallsAt && falls-- > 0)
        return Promise.reject(new CodedError('MAIL_AWAY', 'not now', { retryable: true }));
      return Promise.resolve(success());
    },
  };
  return new ActionRegistry([mail], ENTITY_TYPES);
}

describe('the idempotency token of a position', () => {
  it('stays the same when its batch is retried or redelivered, and belongs to no other position', async () => {
    const outbox = new Outbox();
    const [one, two, three] = idsIn(1, 3) as [string, string, string];
    const registry = mailing(outbox, two);
    const [first, second] = [randomUUID(), randomUUID()];
    const batch = { partition: 1, actionType: 'mail' };
    await harness.publish(
      { ...batch, actionId: first, batchNo: 0, entities: [entity(0, one, {}), entity(7, two, {})] },
      { ...batch, actionId: first, batchNo: 1, entities: [entity(9, three, {})] },
      { ...batch, actionId: second, batchNo: 0, entities: [entity(0, one, {})] },
    );
    await harness.start(registry);
    const before = await harness.awaitResults(3, first, second);
    const retried = before.find(({ actionId, batchNo }) => actionId === first && batchNo === 0);
    expect(retried!.outcomes.map(({ attempts }) => attempts)).toEqual([1, 2]);
    // The batches of a group are processed in any order.
    const mails = new Map([
      [`${first}:0`, one],
      [`${first}:7`, two],
      [`${first}:9`, three],
      [`${second}:0`, one],
    ]);
    expect(outbox.sent).toEqual(mails);
    // One mail was sent twice.
    expect(outbox.deliveries).toBe(5);

    await harness.stop();
    await harness.rewind();
    await harness.start(registry);
    await harness.awaitResults(6, first, second);
    expect(outbox.deliveries).toBe(9);
    expect(outbox.sent).toEqual(mails);
  });
});
