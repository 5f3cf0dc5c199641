import { z } from 'zod';

const reportSchema = z.object({
  components: z.record(z.string(), z.object({ state: z.string(), reason: z.string().optional() })),
});

/** `ready`, or what is missing. */
export type Readiness = 'ready' | { readonly waitingFor: string };

/** `/readyz`: may get work. `/healthz`: everything that the service needs is available as well. */
export type ReadinessPath = '/readyz' | '/healthz';

/** Asks a service once whether it is ready. */
export async function probeReadiness(adminPort: number, path: ReadinessPath = '/readyz'): Promise<Readiness> {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
      signal: AbortSignal.timeout(2_000),
    });
    const text = await response.text();
    if (response.status === 200) return 'ready';
    const report = reportSchema.safeParse(JSON.parse(text));
    return { waitingFor: report.success ? missing(report.data.components) : `status ${response.status}` };
  } catch (error) {
    return {
      waitingFor: `${path} does not answer: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

function missing(components: z.infer<typeof reportSchema>['components']): string {
  const waiting = Object.entries(components)
    .filter(([, { state }]) => state !== 'ready')
    .map(([name, { reason }]) => (reason === undefined ? name : `${name}: ${reason}`));
  return waiting.length === 0 ? 'it has not started' : `waits for ${waiting.join(', ')}`;
}
