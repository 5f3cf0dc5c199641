import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';

/** Identifies a batch that kafkajs hands over. */
export interface FetchedBatch {
  readonly topic: string;
  readonly partition: number;
}

/** The member and the generation that fetched a batch. */
interface Membership {
  readonly group: ConsumerGroup;
  readonly memberId: string | null;
  readonly generationId: number | null;
}

/** When the last answered heartbeat was sent, on both clocks. */
interface Heartbeats {
  sentAt: number;
  sentAtWall: number;
  underWay: Promise<void> | undefined;
}

const memberships = new WeakMap<object, Membership>();
const heartbeats = new WeakMap<ConsumerGroup, Heartbeats>();

/**
 * Returns whether the member that fetched a batch has not joined its group again since. kafkajs joins again while
 * batches of other partitions are still processed, and then fetches those partitions again if the member still owns
 * them.
 */
export function isOfThisGeneration(batch: FetchedBatch): boolean {
  const membership = memberships.get(batch);
  if (membership === undefined) return true;
  const { group, memberId, generationId } = membership;
  return group.memberId === memberId && group.generationId === generationId;
}

let follows = false;

/**
 * Makes kafkajs 2.2.4 record the generation of each fetch, and decide by the monotonic clock whether a heartbeat is
 * due.
 *
 * kafkajs uses the wall clock. When it is set back, kafkajs takes an old answer for a new one. It does the same with an
 * answer that was under way during a stall; with this patch an answer is as old as its question.
 */
export function followMemberships(): void {
  if (follows) return;
  follows = true;
  const { prototype } = ConsumerGroup;
  const own = <Name extends 'fetch' | 'heartbeat'>(name: Name): ConsumerGroup[Name] | undefined =>
    Object.getOwnPropertyDescriptor(prototype, name)?.value as ConsumerGroup[Name] | undefined;
  const [fetch, heartbeat] = [own('fetch'), own('heartbeat')];
  if (fetch === undefined || heartbeat === undefined) return;

  prototype.fetch = async function (this: ConsumerGroup, nodeId) {
    const { memberId, generationId } = this;
    const batches = await fetch.call(this, nodeId);
    for (const batch of batches) memberships.set(batch, { group: this, memberId, generationId });
    return batches;
  };

  prototype.heartbeat = async function (this: ConsumerGroup, { interval }) {
    const state = heartbeats.get(this) ?? { sentAt: -Infinity, sentAtWall: -Infinity, underWay: undefined };
    heartbeats.set(this, state);
    await state.underWay;
    if (!isDue(state, interval)) return;
    state.underWay ??= (async () => {
      const [sentAt, sentAtWall] = [performance.now(), Date.now()];
      // kafkajs checks its own clock again.
      this.lastRequest = -Infinity;
      await heartbeat.call(this, { interval });
      Object.assign(state, { sentAt, sentAtWall });
    })().finally(() => (state.underWay = undefined));
    await state.underWay;
  };
}

/**
 * Returns whether a heartbeat is due by either clock: the monotonic clock may stand still while a virtual machine does.
 */
function isDue({ sentAt, sentAtWall }: Heartbeats, interval: number): boolean {
  const wall = Date.now() - sentAtWall;
  return performance.now() - sentAt >= interval || wall >= interval || wall < 0;
}
