import BrokerPool from 'kafkajs/src/cluster/brokerPool.js';
import metadataResponse from 'kafkajs/src/protocol/requests/metadata/v6/response.js';

/** Error codes of a partition that has no leader at present: LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND. */
const LEADERLESS = new Set([5, 72]);

/** Time after which metadata with a leaderless partition is requested again, in ms. */
const LOOK_AGAIN_MS = 1_000;

let fixed = false;

/**
 * Makes kafkajs 2.2.4 accept metadata in which a partition has no leader, as Java's client does.
 *
 * kafkajs takes the error of one partition for an error of the whole answer. A client that refreshes its metadata then
 * reaches none of its topics while one partition is without a leader. With this patch, sends to that partition fail and
 * are retried, and all others continue. kafkajs refreshes its metadata after five minutes at most; while a leader is
 * missing, it does so every second.
 *
 * A consumer still waits for the leader of a partition of which its group has committed no offset.
 */
export function acceptLeaderlessPartitions(): void {
  if (fixed) return;
  fixed = true;
  const { parse } = metadataResponse;
  metadataResponse.parse = async (data) => {
    const accepted = data.topicMetadata.map((topic) => ({
      ...topic,
      partitionMetadata: topic.partitionMetadata.map((partition) =>
        LEADERLESS.has(partition.partitionErrorCode) ? { ...partition, partitionErrorCode: 0 } : partition,
      ),
    }));
    return parse({ ...data, topicMetadata: accepted });
  };
  const refresh = Object.getOwnPropertyDescriptor(BrokerPool.prototype, 'refreshMetadata')?.value as
    ((this: BrokerPool, topics: string[]) => Promise<void>) | undefined;
  // Another version may need none of this.
  if (refresh === undefined) return;
  BrokerPool.prototype.refreshMetadata = async function (this: BrokerPool, topics: string[]): Promise<void> {
    await refresh.call(this, topics);
    const all = this.metadata?.topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata) ?? [];
    if (all.some(({ leader }) => leader < 0)) this.metadataExpireAt = Date.now() + LOOK_AGAIN_MS;
  };
}
