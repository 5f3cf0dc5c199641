import type { Logger } from '@bulk/runtime';
import { Kafka, logLevel, type logCreator } from 'kafkajs';
import type { KafkaConfig } from './config.ts';
import { brokerAccess } from './connection.ts';
import { mendDeadConnections } from '../kafkajs-patches/dead-connections.ts';
import { followMemberships } from '../kafkajs-patches/memberships.ts';
import { acceptLeaderlessPartitions } from '../kafkajs-patches/leaderless-partitions.ts';
import { mendRequestQueue } from '../kafkajs-patches/request-queue.ts';

/**
 * kafkajs says this much louder than it is: it mends these by itself, on a broker just started or in a rebalance; that
 * topics exist already is what every start but the first finds; bounded retries are meant (see MessageProducer).
 */
const EXPECTED =
  /Topic creation errors|Limiting retries for the idempotent producer|rebalanc|coordinator is (not available|loading)|not the coordinator|re-joining|^Crash: |Restarting the consumer|Connection (timeout|error)|ECONNREFUSED|no leader|leaderless/i;

/**
 * A kafkajs client that logs through `log`, with TLS and credentials as configured. Retries within a request are few, since every caller has a loop of its own
 * that keeps heartbeats going.
 */
export function createKafka(clientId: string, config: KafkaConfig, log: Logger): Kafka {
  mendRequestQueue();
  mendDeadConnections();
  followMemberships();
  acceptLeaderlessPartitions();
  return new Kafka({
    clientId,
    ...brokerAccess(config),
    connectionTimeout: 3_000,
    requestTimeout: config.KAFKA_REQUEST_TIMEOUT_MS,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8 },
    logLevel: logLevel.WARN,
    logCreator: bridge(log),
  });
}

function bridge(log: Logger): logCreator {
  return () =>
    ({ namespace, level, log: entry }) => {
      const { message, ...rest } = entry;
      const reason = typeof rest['error'] === 'string' ? rest['error'] : '';
      const text = `kafka: ${message}`;
      if (EXPECTED.test(`${message} ${reason}`)) log.debug({ namespace, ...rest }, text);
      else if (level <= logLevel.ERROR) log.error({ namespace, ...rest }, text);
      else log.warn({ namespace, ...rest }, text);
    };
}
