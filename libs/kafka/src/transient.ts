/** The one classification, by the name that consumers of Kafka know it by. */
export { isRetryable as isTransient } from '@bulk/domain';
