import type { MessageProducer, OutgoingMessage } from '@bulk/kafka';

/**
 * A producer that confirms sends although it has lost some of their batches, as kafkajs did after a change of leader.
 */
export class LossyProducer {
  /** Numbers of the lost batches, in order. */
  readonly lost: number[] = [];
  /** Action and number of each lost batch. */
  readonly #lost = new Set<string>();
  readonly #losesNext: (batchNo: number, partition: number) => boolean;

  /** @param losesNext whether the first copy of a batch is lost. */
  constructor(losesNext: (batchNo: number, partition: number) => boolean) {
    this.#losesNext = losesNext;
  }

  /** Returns a producer that sends through `opened` all that is not lost. */
  readonly instead = (opened: MessageProducer): MessageProducer =>
    new Proxy(opened, {
      get: (target, name): unknown => {
        if (name === 'send')
          return (topic: string, messages: readonly OutgoingMessage[]): Promise<unknown> =>
            target.send(topic, topic.includes('entity-batches') ? messages.filter(this.#keeps) : messages);
        const own: unknown = Reflect.get(target, name, target);
        return typeof own === 'function' ? (own.bind(target) as unknown) : own;
      },
    });

  readonly #keeps = ({ headers, partition = 0 }: OutgoingMessage): boolean => {
    const batchNo = Number(headers?.['batch-no']);
    const batch = `${String(headers?.['action-id'])}:${batchNo}`;
    if (this.#lost.has(batch) || !this.#losesNext(batchNo, partition)) return true;
    this.#lost.add(batch);
    this.lost.push(batchNo);
    return false;
  };
}
