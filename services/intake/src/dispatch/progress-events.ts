import { HEADERS, type TopicNames } from '@bulk/contracts';
import type { MessageProducer } from '@bulk/kafka';
import { progressEventOf, type ProgressDocument } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';

/**
 * Publishes the states of actions that intake itself changes: queued, paused, resumed, cancelling.
 *
 * Delivery is best effort, because the change is already stored and followers of an action read its
 * state again from time to time.
 */
export class ProgressEvents {
  readonly #producer: MessageProducer;
  readonly #topics: TopicNames;
  readonly #log: Logger;

  constructor(producer: MessageProducer, topics: TopicNames, log: Logger) {
    this.#producer = producer;
    this.#topics = topics;
    this.#log = log;
  }

  /** Returns at once; never throws. */
  tell(action: ProgressDocument & { readonly updatedAt: Date }): void {
    const { _id, accountId } = action;
    this.#producer
      .send(this.#topics.progress, [
        { key: _id, value: progressEventOf(action), headers: { [HEADERS.accountId]: accountId } },
      ])
      .catch((error: unknown) => {
        this.#log.debug({ actionId: _id, err: error }, 'Progress event not sent');
      });
  }
}
