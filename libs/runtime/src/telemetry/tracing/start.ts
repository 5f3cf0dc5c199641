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

/** The part of a service's releasers that tracing needs. */
export interface TracingReleasers {
  push(name: string, release: () => Promise<void>): void;
}

/**
 * Starts tracing in this process if a collector is configured. Call it once, before anything is opened. Spans are sent
 * in the background, within bounds. Spans that the collector does not accept are dropped.
 *
 * @param releasers gets the stop of tracing, which sends the remaining spans within the exporter's time-out.
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
