import { z } from 'zod';

/** Variables of tracing; the names are OpenTelemetry's own where it has one. */
export const tracingConfigShape = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
    .optional()
    .meta({
      description:
        'Collector of traces, OTLP over HTTP, without the path /v1/traces; without it nothing is traced.',
    }),
  TRACES_SAMPLE_PERCENT: z
    .string()
    .regex(/^\d{1,3}(\.\d{1,6})?$/, 'expected a number from 0 to 100')
    .transform(Number)
    .refine((percent) => percent <= 100, 'expected a number from 0 to 100')
    .default(100)
    .meta({
      description:
        'Requests that are traced where the caller has not decided, in percent; a trace has spans for every batch.',
    }),
};

export type TracingConfig = z.infer<z.ZodObject<typeof tracingConfigShape>>;
