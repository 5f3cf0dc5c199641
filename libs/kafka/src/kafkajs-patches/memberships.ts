import { unlessAborted } from '@bulk/runtime';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import { KafkaJSProtocolError } from 'kafkajs/src/errors.js';

/** Identifies a batch that kafkajs hands over. */
export interface FetchedBatch {
  readonly topic: string;
  readonly partition: number;
}

/** A partition and the offset of the first message in it that is not done. */
export interface PartitionOffset extends FetchedBatch {
  readonly offset: number;
}

/** The membership of a consumer in its group, from one join to the next. */
export interface Membership {
  /** Number of partitions that the group has assigned to this membership. */
  readonly partitions: number;
  /** Returns whether the member has neither joined again nor left since. */
  isCurrent(): boolean;
  /** Sends a heartbeat if the last answered one is older than `intervalMs`. @throws kafkajs' error. */
  heartbeat(intervalMs: number): Promise<void>;
  /**
   * Commits offsets in one request. The group refuses them if this membership is over.
   *
   * @throws kafkajs' error.
   */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /** Leaves the group, which then assigns the partitions to other members. @throws kafkajs' error. */
  leave(): Promise<void>;
}

/** What a consumer does before and after kafkajs joins the group and fetches. */
export interface MemberHooks {
  /** Aborts when the consumer stops: it joins no more, and a fetch under way is not waited for. */
  readonly stopped: AbortSignal;
  /** Called before each join. The join waits for it. It must not reject. */
  beforeJoin(): Promise<void>;
  /** Called after each join. */
  joined(membership: Membership): void;
  /** Called before each fetch. The fetch waits for it. It must not reject. */
  beforeFetch(): Promise<void>;
  /** Returns whether the member has to join again instead of fetching. */
  mustJoin(): boolean;
  /** Time that a broker may hold a fetch for which it has no messages, in ms. */
  maxWaitMs(): number;
  /** Maximum size of the messages of one partition in a fetch, in bytes. A larger first message still passes. */
  maxBytesPerPartition(): number;
}

/** When the last answered heartbeat was sent, on both clocks. */
interface Heartbeats {
  sentAt: number;
  sentAtWall: number;
  underWay: Promise<void> | undefined;
}

const hooksOf = new WeakMap<object, MemberHooks>();
const current = new WeakMap<ConsumerGroup, Membership>();
const joins = new WeakMap<ConsumerGroup, Promise<void>>();
const ofBatches = new WeakMap<object, Membership>();
const heartbeats = new WeakMap<ConsumerGroup, Heartbeats>();

/** Has the consumer of a kafkajs cluster call `hooks`. Each kafkajs consumer has a cluster of its own. */
export function attachHooks(cluster: object, hooks: MemberHooks): void {
  hooksOf.set(cluster, hooks);
}

/**
 * Returns the membership that fetched a batch. kafkajs joins again while batches of an older membership are still to
 * be handed over, and then fetches them again if the member still owns their partitions.
 */
export function membershipOf(batch: FetchedBatch): Membership | undefined {
  return ofBatches.get(batch);
}

let follows = false;

/**
 * Makes kafkajs 2.2.4 call hooks around joins and fetches, record the membership of each fetch, and decide by the
 * monotonic clock whether a heartbeat is due.
 *
 * Joins that are requested while one is under way share it. kafkajs would run them at the same time.
 *
 * kafkajs uses the wall clock for heartbeats. When it is set back, kafkajs takes an old answer for a new one. It does
 * the same with an answer that was under way during a stall; with this patch an answer is as old as its question.
 *
 * @throws Error if kafkajs has no such methods.
 */
export function followMemberships(): void {
  if (follows) return;
  follows = true;
  const { prototype } = ConsumerGroup;
  const [fetch, heartbeat, join] = [own('fetch'), own('heartbeat'), own('joinAndSync')];

  prototype.joinAndSync = function (this: ConsumerGroup) {
    const hooks = hooksOf.get(this.cluster);
    if (hooks === undefined) return join.call(this);
    const underWay = joins.get(this);
    if (underWay !== undefined) return underWay;
    const joining = (async () => {
      await hooks.beforeJoin();
      if (hooks.stopped.aborted) return;
      await join.call(this);
      const membership = membershipIn(this);
      current.set(this, membership);
      hooks.joined(membership);
    })().finally(() => joins.delete(this));
    joins.set(this, joining);
    return joining;
  };

  prototype.fetch = async function (this: ConsumerGroup, nodeId) {
    const hooks = hooksOf.get(this.cluster);
    if (hooks === undefined) return fetch.call(this, nodeId);
    await joins.get(this)?.catch(() => undefined);
    await hooks.beforeFetch();
    if (hooks.stopped.aborted) return [];
    // kafkajs joins again after this error.
    if (hooks.mustJoin()) throw new KafkaJSProtocolError({ type: 'REBALANCE_IN_PROGRESS' });
    this.maxWaitTime = hooks.maxWaitMs();
    this.maxBytesPerPartition = hooks.maxBytesPerPartition();
    const membership = current.get(this);
    const batches = (await unlessAborted(fetch.call(this, nodeId), hooks.stopped)) ?? [];
    if (membership !== undefined) for (const batch of batches) ofBatches.set(batch, membership);
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

function own<Name extends 'fetch' | 'heartbeat' | 'joinAndSync'>(name: Name): ConsumerGroup[Name] {
  const method = Object.getOwnPropertyDescriptor(ConsumerGroup.prototype, name)?.value as
    ConsumerGroup[Name] | undefined;
  if (method === undefined) throw new Error(`kafkajs’ ConsumerGroup has no method ${name}`);
  return method;
}

function membershipIn(group: ConsumerGroup): Membership {
  // kafkajs creates an offset manager in each join. A join of an unchanged group keeps the generation.
  const { memberId, generationId, offsetManager } = group;
  return {
    partitions: group.assigned().reduce((sum, { partitions }) => sum + partitions.length, 0),
    isCurrent: () =>
      group.memberId === memberId &&
      group.generationId === generationId &&
      group.offsetManager === offsetManager,
    heartbeat: (interval) => group.heartbeat({ interval }),
    commit: (offsets) => offsetManager.commitOffsets({ topics: byTopic(offsets) }),
    leave: () => group.leave(),
  };
}

type TopicOffsets = Parameters<ConsumerGroup['offsetManager']['commitOffsets']>[0]['topics'];

function byTopic(offsets: readonly PartitionOffset[]): TopicOffsets {
  const topics = new Map<string, { partition: number; offset: string }[]>();
  for (const { topic, partition, offset } of offsets) {
    const partitions = topics.get(topic) ?? [];
    topics.set(topic, partitions);
    partitions.push({ partition, offset: String(offset) });
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

/**
 * Returns whether a heartbeat is due by either clock: the monotonic clock may stand still while a virtual machine does.
 */
function isDue({ sentAt, sentAtWall }: Heartbeats, interval: number): boolean {
  const wall = Date.now() - sentAtWall;
  return performance.now() - sentAt >= interval || wall >= interval || wall < 0;
}
