export * from './authenticator.ts';
export * from './config.ts';
export * from './credentials.ts';
export * from './errors.ts';
