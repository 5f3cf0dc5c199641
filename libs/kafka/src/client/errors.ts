import { DependencyError, isNetworkError, type FaultKind } from '@bulk/domain';
import { TokenUnavailableError } from './oauth-tokens.ts';

/**
 * Kind of fault → kafkajs' error types, and the names of its errors that have no type. An error in none of these lists
 * is `unknown`. Only `request` is the fault of a message.
 */
export const KAFKA_TYPES: Readonly<Partial<Record<FaultKind, readonly string[]>>> = {
  unreachable: [
    'REQUEST_TIMED_OUT',
    'NETWORK_EXCEPTION',
    'BROKER_NOT_AVAILABLE',
    'KafkaJSConnectionError',
    'KafkaJSConnectionClosedError',
    'KafkaJSRequestTimeoutError',
    'KafkaJSBrokerNotFound',
    'KafkaJSNoBrokerAvailableError',
    'KafkaJSLockTimeout',
    'KafkaJSTimeout',
  ],
  election: [
    'LEADER_NOT_AVAILABLE',
    'NOT_LEADER_FOR_PARTITION',
    'NOT_ENOUGH_REPLICAS',
    'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
    'NOT_CONTROLLER',
    'GROUP_LOAD_IN_PROGRESS',
    'GROUP_COORDINATOR_NOT_AVAILABLE',
    'NOT_COORDINATOR_FOR_GROUP',
    'KafkaJSGroupCoordinatorNotFound',
    'REBALANCE_IN_PROGRESS',
    'UNKNOWN_PRODUCER_ID',
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
  ],
  authentication: [
    'SASL_AUTHENTICATION_FAILED',
    'ILLEGAL_SASL_STATE',
    'UNSUPPORTED_SASL_MECHANISM',
    'KafkaJSSASLAuthenticationError',
  ],
  authorisation: [
    'TOPIC_AUTHORIZATION_FAILED',
    'GROUP_AUTHORIZATION_FAILED',
    'CLUSTER_AUTHORIZATION_FAILED',
    'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  ],
  quota: ['POLICY_VIOLATION', 'THROTTLING_QUOTA_EXCEEDED'],
  'disk-full': ['KAFKA_STORAGE_ERROR', 'LOG_DIR_NOT_FOUND'],
  request: ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'],
};

const KIND_OF_TYPE: ReadonlyMap<string, FaultKind> = new Map(
  Object.entries(KAFKA_TYPES).flatMap(([kind, types]) =>
    types.map((type): [string, FaultKind] => [type, kind as FaultKind]),
  ),
);

/** kafkajs wraps the error of a request that it has retried too often. */
const MAX_CAUSES = 3;

/** Returns why Kafka failed a request, from the first error in the chain of causes that is classified. */
export function kafkaFault(error: unknown): FaultKind {
  let current = error;
  for (let depth = 0; depth <= MAX_CAUSES && current instanceof Error; depth += 1) {
    if (current instanceof TokenUnavailableError) return current.fault;
    const type = 'type' in current ? String(current.type) : '';
    const kind = KIND_OF_TYPE.get(type) ?? KIND_OF_TYPE.get(current.name);
    if (kind !== undefined) return kind;
    current = current.cause;
  }
  return isNetworkError(error) ? 'unreachable' : 'unknown';
}

/** Code of a KafkaUnavailableError. */
export const KAFKA_UNAVAILABLE = 'KAFKA_UNAVAILABLE';

/**
 * Thrown in place of kafkajs' error if Kafka does not answer a question, or refuses it. Its message is for logs only.
 */
export class KafkaUnavailableError extends DependencyError {
  constructor(cause: unknown) {
    const fault = kafkaFault(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    // A question carries no message of a caller, so the request itself cannot be at fault.
    super(KAFKA_UNAVAILABLE, `Kafka (${fault}): ${reason}`, fault === 'request' ? 'unknown' : fault, cause);
  }
}
