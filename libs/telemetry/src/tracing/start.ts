import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { TracingConfig } from './config.ts';

/** Those of a service, as far as they are needed here. */
export interface TracingReleasers {
  push(name: string, release: () => Promise<void>): void;
}

/**
 * Has this process traced, where a collector is configured: once in its life, before anything is opened. Spans are sent in
 * the background, within bounds; what the collector does not take is dropped.
 *
 * @param releasers gets how it ends: what is left is sent, within the exporter's time-out.
 */
export function startTracing(service: string, config: TracingConfig, releasers: TracingReleasers): void {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACES_SAMPLE_PERCENT: percent } = config;
  if (endpoint === undefined) return;
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'bulk' }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(percent / 100) }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register({
    contextManager: new AsyncLocalStorageContextManager(),
    propagator: new W3CTraceContextPropagator(),
  });
  releasers.push('tracing', () => provider.shutdown());
}
