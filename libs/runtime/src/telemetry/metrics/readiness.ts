import type { Metrics } from './metrics.ts';

/** The readiness of a service; the Health of @bulk/runtime is one. */
export interface Readiness {
  readonly ready: boolean;
  report(): { readonly components: Readonly<Record<string, { readonly state: string }>> };
}

/** Declares the gauges that show the state of `/readyz` and `/healthz`. */
export function addReadiness(metrics: Metrics, readiness: Readiness): void {
  metrics.sampled({ name: 'bulk_ready', help: '1 while /readyz answers 200, else 0.' }, () => [
    { labels: {}, value: Number(readiness.ready) },
  ]);
  metrics.sampled(
    {
      name: 'bulk_dependency_ready',
      help: '1 while /healthz reports the component as ready, else 0.',
      labels: ['dependency'],
    },
    () =>
      Object.entries(readiness.report().components).map(([dependency, { state }]) => ({
        labels: { dependency },
        value: Number(state === 'ready'),
      })),
  );
}
