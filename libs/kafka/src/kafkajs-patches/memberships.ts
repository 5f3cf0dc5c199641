import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';

/** What is known of a batch that kafkajs hands over. */
export interface FetchedBatch {
  readonly topic: string;
  readonly partition: number;
}

/** As whom, and in which generation, a member asked for a batch. */
interface Membership {
  readonly group: ConsumerGroup;
  readonly memberId: string | null;
  readonly generationId: number | null;
}

/** When the last heartbeat that was answered had been sent, on both clocks. */
interface Heartbeats {
  sentAt: number;
  sentAtWall: number;
  underWay: Promise<void> | undefined;
}

const memberships = new WeakMap<object, Membership>();
const heartbeats = new WeakMap<ConsumerGroup, Heartbeats>();

/**
 * Whether the member that fetched a batch has not joined its group again since. kafkajs joins again while batches of other
 * partitions are still processed, and then fetches those partitions a second time, if they are still its own.
 */
export function isOfThisGeneration(batch: FetchedBatch): boolean {
  const membership = memberships.get(batch);
  if (membership === undefined) return true;
  const { group, memberId, generationId } = membership;
  return group.memberId === memberId && group.generationId === generationId;
}

let follows = false;

/**
 * Has kafkajs 2.2.4 note the generation of each fetch, and decide by the monotonic clock whether a heartbeat is due. Its own
 * wall clock may be set back, and then it takes an old answer for a new one. So it does with an answer that was under way
 * during a stall: here an answer is as old as its question.
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
      // kafkajs looks at its own clock again.
      this.lastRequest = -Infinity;
      await heartbeat.call(this, { interval });
      Object.assign(state, { sentAt, sentAtWall });
    })().finally(() => (state.underWay = undefined));
    await state.underWay;
  };
}

/** The wall clock counts as well: the monotonic one may stand still while a virtual machine does. */
function isDue({ sentAt, sentAtWall }: Heartbeats, interval: number): boolean {
  const wall = Date.now() - sentAtWall;
  return performance.now() - sentAt >= interval || wall >= interval || wall < 0;
}
