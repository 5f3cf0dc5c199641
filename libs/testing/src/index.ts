export * from './stack-urls.ts';
