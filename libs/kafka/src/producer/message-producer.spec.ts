import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '@bulk/runtime';
import { Partitioners, type Kafka, type Message, type RecordMetadata } from 'kafkajs';
import { KafkaJSProtocolError } from 'kafkajs/src/errors.js';
import createSendMessages from 'kafkajs/src/producer/sendMessages.js';
import createRetry from 'kafkajs/src/retry/index.js';
import { MessageProducer } from './message-producer.ts';

const TOPIC = 'topic';
const [A, B] = [1, 2];

interface Produced {
  readonly topicData: readonly {
    readonly partitions: readonly { readonly partition: number; readonly messages: readonly Message[] }[];
  }[];
}

/** Two brokers behind kafkajs' own code for sending. Its metadata is as old as its last refresh. */
class FakeCluster {
  /** The leader of each partition, as it is and as clients know it. */
  leaders: readonly number[];
  #known: readonly number[];
  readonly log: string[] = [];
  /** Called before a broker looks at a request. */
  onProduce: (nodeId: number) => void = () => undefined;

  constructor(leaders: readonly number[]) {
    this.leaders = leaders;
    this.#known = leaders;
  }

  kafka(): Kafka {
    const producer = {
      connect: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      sendBatch: this.#sender(),
    };
    const admin = {
      connect: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      fetchTopicMetadata: () =>
        Promise.resolve({ topics: [{ name: TOPIC, partitions: this.#partitionMetadata() }] }),
    };
    return { producer: () => producer, admin: () => admin } as unknown as Kafka;
  }

  #sender(): (sent: {
    topicMessages: { topic: string; messages: Message[] }[];
  }) => Promise<RecordMetadata[]> {
    const brokers = new Map([A, B].map((nodeId) => [nodeId, this.#broker(nodeId)]));
    const nothing = (): void => undefined;
    const send = createSendMessages({
      logger: { debug: nothing, error: nothing },
      partitioner: Partitioners.DefaultPartitioner(),
      retrier: createRetry({ initialRetryTime: 1, maxRetryTime: 2, retries: 5 }),
      eosManager: {
        isTransactional: () => false,
        getSequence: () => 0,
        updateSequence: nothing,
        getProducerId: () => 1,
        getProducerEpoch: () => 0,
        acquireBrokerLock: nothing,
        releaseBrokerLock: nothing,
      },
      cluster: {
        addMultipleTargetTopics: () => Promise.resolve(),
        refreshMetadataIfNecessary: () => Promise.resolve(),
        isConnected: () => true,
        refreshMetadata: () => {
          this.#known = this.leaders;
          return Promise.resolve();
        },
        findTopicPartitionMetadata: () => this.#partitionMetadata(),
        findLeaderForPartitions: (_: string, partitions: readonly string[]) => {
          const byLeader: Partial<Record<string, number[]>> = {};
          for (const partition of partitions.map(Number)) {
            const leader = this.#known[partition];
            if (leader !== undefined) (byLeader[leader] ??= []).push(partition);
          }
          return byLeader;
        },
        findBroker: ({ nodeId }: { nodeId: string }) => Promise.resolve(brokers.get(Number(nodeId))),
      },
    });
    return ({ topicMessages }) => send({ acks: -1, topicMessages });
  }

  #broker(nodeId: number): object {
    return {
      nodeId,
      produce: ({ topicData }: Produced) => {
        this.onProduce(nodeId);
        const partitions = topicData.flatMap((topic) => topic.partitions);
        if (partitions.some(({ partition }) => this.leaders[partition] !== nodeId))
          return Promise.reject(
            new KafkaJSProtocolError({ type: 'NOT_LEADER_FOR_PARTITION', retriable: true, message: 'moved' }),
          );
        for (const { messages } of partitions) this.log.push(...messages.map(({ value }) => String(value)));
        const confirmed = partitions.map(({ partition }) => ({ partition, errorCode: 0, baseOffset: '0' }));
        return Promise.resolve({ topics: [{ topicName: TOPIC, partitions: confirmed }] });
      },
    };
  }

  #partitionMetadata(): object[] {
    return this.#known.map((leader, partitionId) => ({ partitionId, leader }));
  }
}

const codec = { encode: (_: string, value: unknown) => Promise.resolve(Buffer.from(String(value))) };
const connect = (cluster: FakeCluster): Promise<MessageProducer> =>
  MessageProducer.connect(cluster.kafka(), codec, silentLogger());
const raw = (partition: number, value: string): Parameters<MessageProducer['forward']>[1][number] => ({
  key: null,
  value: Buffer.from(value),
  partition,
  headers: {},
});

/** Moves partition 1 from B to A when A has answered and B has not. */
function movesInBetween(cluster: FakeCluster): void {
  cluster.onProduce = (nodeId) => {
    if (nodeId === B) cluster.leaders = [A, A];
  };
}

describe('a send whose partition moves to a broker that has already answered (tulios/kafkajs#1303)', () => {
  it('is confirmed only when every message has arrived', async () => {
    const cluster = new FakeCluster([A, B]);
    const producer = await connect(cluster);
    movesInBetween(cluster);
    await producer.forward(TOPIC, [raw(0, 'zero'), raw(1, 'one')]);
    expect(new Set(cluster.log)).toEqual(new Set(['zero', 'one']));
  });

  it('is confirmed only when every message has arrived, also if messages name no partition', async () => {
    const cluster = new FakeCluster([A, B]);
    const producer = await connect(cluster);
    movesInBetween(cluster);
    const values = Array.from({ length: 20 }, (_, i) => `value ${i}`);
    const answer = await producer.send(
      TOPIC,
      values.map((value) => ({ key: value, value })),
    );
    expect(new Set(answer.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    expect(new Set(cluster.log)).toEqual(new Set(values));
  });
});

describe('a send that kafkajs resolves without one of its partitions', () => {
  it('fails with a retryable error when the topic lacks the partition, and the others have arrived', async () => {
    const cluster = new FakeCluster([A, B]);
    const producer = await connect(cluster);
    await expect(producer.forward(TOPIC, [raw(0, 'zero'), raw(7, 'seven')])).rejects.toMatchObject({
      code: 'PRODUCE_FAILED',
      retryable: true,
      message: expect.stringContaining('leaves out partition 7'),
    });
    expect(cluster.log).toEqual(['zero']);
  });
});
