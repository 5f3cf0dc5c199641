export * from './client.ts';
export * from './errors.ts';
export * from './config.ts';
export * from './first-positions.ts';
export type { Redis } from 'ioredis';
