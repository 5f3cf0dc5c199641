export * from './batch-codec.ts';
export * from './http.ts';
export * from './http-lists.ts';
export * from './http-upload.ts';
export * from './messages.ts';
export * from './progress-view.ts';
export * from './topics.ts';
export * from './websocket.ts';
