export { tracingConfigShape, type TracingConfig } from './config.ts';
export {
  beginSpan,
  currentTraceparent,
  describeSpan,
  TRACEPARENT,
  withSpan,
  type OpenSpan,
  type SpanOptions,
} from './spans.ts';
export { startTracing } from './start.ts';
