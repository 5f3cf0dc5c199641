import type { Logger } from '@bulk/runtime';
import { Kafka, logLevel, type logCreator } from 'kafkajs';
import type { KafkaConfig } from './config.ts';
import { brokerAccess } from './connection.ts';
import { mendDeadConnections } from '../kafkajs-patches/dead-connections.ts';
import { fetchTopicsById } from '../kafkajs-patches/fetch-by-id.ts';
import { followMemberships } from '../kafkajs-patches/memberships.ts';
import { acceptLeaderlessPartitions } from '../kafkajs-patches/leaderless-partitions.ts';
import { mendRequestQueue } from '../kafkajs-patches/request-queue.ts';
import { endStoppedFetchers } from '../kafkajs-patches/stopped-fetchers.ts';

/**
 * Matches messages that kafkajs logs at too high a level. It recovers from these faults by itself, on a broker that has
 * just started or in a rebalance. Every start but the first finds existing topics, and bounded retries are intended
 * (see MessageProducer).
 */
const EXPECTED =
  /Topic creation errors|Limiting retries for the idempotent producer|rebalanc|coordinator is (not available|loading)|not the coordinator|re-joining|^Crash: |Restarting the consumer|Connection (timeout|error)|ECONNREFUSED|no leader|leaderless/i;

/**
 * Creates a kafkajs client that logs through `log`, with the configured TLS and credentials. It makes few retries
 * within a request, because every caller has a loop of its own that keeps sending heartbeats.
 */
export function createKafka(clientId: string, config: KafkaConfig, log: Logger): Kafka {
  mendRequestQueue();
  mendDeadConnections();
  followMemberships();
  endStoppedFetchers();
  acceptLeaderlessPartitions();
  fetchTopicsById();
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
