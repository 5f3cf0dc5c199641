export * from './record-reader.ts';
