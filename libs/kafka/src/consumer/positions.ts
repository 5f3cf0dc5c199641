import type { Consumer } from 'kafkajs';

/** Notices when a consumer knows its position in every partition. */
export class Positions {
  #isKnown = false;

  /**
   * kafkajs looks up its offsets at the start of a fetch. A fetch that started before the last join used older offsets.
   *
   * @param onKnown called once after each join.
   */
  constructor(consumer: Consumer, onKnown: () => void) {
    const { GROUP_JOIN, FETCH_START, FETCH } = consumer.events;
    const fetching = new Set<number>();
    let joined = false;
    consumer.on(GROUP_JOIN, () => {
      joined = true;
      this.#isKnown = false;
      fetching.clear();
    });
    consumer.on(FETCH_START, ({ payload }) => {
      if (joined) fetching.add(payload.nodeId);
    });
    consumer.on(FETCH, ({ payload }) => {
      if (!joined || !fetching.has(payload.nodeId)) return;
      joined = false;
      this.#isKnown = true;
      onKnown();
    });
  }

  get areKnown(): boolean {
    return this.#isKnown;
  }
}
