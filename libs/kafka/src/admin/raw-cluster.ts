import { CodedError } from '@bulk/domain';
import type { Kafka } from 'kafkajs';

/** The part that we use of a broker of kafkajs 2.2.4. */
export interface RawBroker {
  /** API key → the versions that the broker answers. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>>;
  readonly connectionPool: { send(request: unknown): Promise<unknown> };
}

/** The part that we use of a cluster of kafkajs 2.2.4, which keeps it behind a symbol. */
export interface RawCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  findGroupCoordinator(group: { readonly groupId: string }): Promise<RawBroker>;
  readonly brokerPool: { findConnectedBroker(): Promise<RawBroker> };
}

/** Creates a cluster to which requests can be sent that kafkajs does not have. */
export function rawCluster(kafka: Kafka): RawCluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create: unknown = symbol === undefined ? undefined : Reflect.get(kafka, symbol);
  if (typeof create !== 'function')
    throw new CodedError('KAFKAJS_CHANGED', 'kafkajs has no createCluster any more: see raw-cluster.ts');
  return (create as (options: object) => RawCluster)({
    allowAutoTopicCreation: false,
    metadataMaxAge: 300_000,
  });
}

/** Runs `questions` on a connection that is opened for them and closed afterwards. */
export async function onRawCluster<T>(
  kafka: Kafka,
  questions: (cluster: RawCluster) => Promise<T>,
): Promise<T> {
  const cluster = rawCluster(kafka);
  try {
    await cluster.connect();
    return await questions(cluster);
  } finally {
    // A broken connection may fail to close.
    await cluster.disconnect().catch(() => undefined);
  }
}
