export * from './client.ts';
export * from './config.ts';
export * from './consumer.ts';
export * from './dead-letters.ts';
export * from './message-codec.ts';
export * from './producer.ts';
export * from './topics.ts';
export * from './transient.ts';
export type { Kafka } from 'kafkajs';
