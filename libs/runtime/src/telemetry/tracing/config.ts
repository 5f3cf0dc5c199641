import { z } from 'zod';

/** Settings of tracing. Their names are OpenTelemetry's own if it has one. */
export const tracingConfigShape = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
    .optional()
    .meta({
      description:
        'URL of the collector of traces (OTLP over HTTP), without the path /v1/traces. Without it, nothing is traced.',
    }),
  TRACES_SAMPLE_PERCENT: z
    .string()
    .regex(/^\d{1,3}(\.\d{1,6})?$/, 'expected a number from 0 to 100')
    .transform(Number)
    .refine((percent) => percent <= 100, 'expected a number from 0 to 100')
    .default(100)
    .meta({
      description:
        'Share of requests that are traced if the caller has not decided, in percent. A trace has spans for every batch, so a higher value sends more data to the collector.',
    }),
};

export type TracingConfig = z.infer<z.ZodObject<typeof tracingConfigShape>>;
