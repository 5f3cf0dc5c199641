export * from './authenticator.ts';
export * from './config.ts';
export * from './errors.ts';
