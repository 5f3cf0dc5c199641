import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { topicNames, topicsOf, type Topic } from '@bulk/contracts';
import { kafkaConfigShape } from '@bulk/kafka';
import { cacheFolder, workspaceRoot } from '@bulk/local-stack';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import {
  type Configured,
  type ContainerEnvironment,
  environmentOf,
} from '../../src/generators/manifests/environment.ts';
import {
  type ContainerManifest,
  cronJobSchema,
  type Manifest,
  type PodManifest,
  type Workload,
  workloadSchema,
} from '../../src/generators/manifests/manifest.ts';
import {
  foldersOf,
  type Overlay,
  parseManifests,
  render,
  type Rendered,
} from '../../src/generators/manifests/render.ts';

export const PROVISIONING_MS = 600_000;
export const context = { cache: cacheFolder(), env: process.env, log: console.log };
export const K8S = join(workspaceRoot, 'deploy', 'k8s');

/** The examples of the Secrets: `name/key` → value. */
export const secrets: ReadonlyMap<string, string> = new Map(
  parseManifests(readFileSync(join(K8S, 'secrets.example.yaml'), 'utf8')).flatMap((secret) =>
    Object.entries(z.record(z.string(), z.string()).parse(secret['stringData'])).map(
      ([key, value]) => [`${secret.metadata.name}/${key}`, value] as const,
    ),
  ),
);

/** A rendered overlay, its services and its topics, with ways to look into it. */
export class RenderedOverlay {
  readonly rendered: Rendered;
  readonly workloads: ReadonlyMap<string, Workload>;

  constructor(rendered: Rendered) {
    this.rendered = rendered;
    const found = rendered.manifests.filter(({ kind }) => ['Deployment', 'Job'].includes(kind));
    // The Job of the installer has the tag of its image in its name.
    const nameOf = ({ kind, metadata }: Manifest): string =>
      kind === 'Job' ? String(metadata.labels?.['app.kubernetes.io/name']) : metadata.name;
    this.workloads = new Map(found.map((each) => [nameOf(each), workloadSchema.parse(each)]));
  }

  static async of(overlay: Overlay): Promise<RenderedOverlay> {
    return new RenderedOverlay(await render(foldersOf(overlay), context));
  }

  all(kind: string): Manifest[] {
    return this.rendered.manifests.filter((each) => each.kind === kind);
  }

  named(kind: string, name: string): Manifest | undefined {
    return this.all(kind).find(({ metadata }) => metadata.name === name);
  }

  pod(name: string): PodManifest {
    return this.workloads.get(name)!.spec.template.spec;
  }

  container(name: string): ContainerManifest {
    return this.pod(name).containers[0]!;
  }

  /** Loads the configuration that a service would have. The files of its Secrets exist meanwhile. */
  config<T>(
    name: Configured | 'ops',
    schema: z.ZodType<T>,
  ): { environment: ContainerEnvironment; config: Readonly<T> } {
    const pod = name === 'ops' ? this.ops().template.spec : this.pod(name);
    const folder = mkdtempSync(join(tmpdir(), 'bulk-manifests-'));
    try {
      const environment = environmentOf(pod, this.rendered.manifests, secrets, folder);
      return { environment, config: loadConfig(schema, environment) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** The CronJob of the operator's commands. */
  ops(): { suspend: boolean; template: Workload['spec']['template']; activeDeadlineSeconds: number } {
    const { spec } = cronJobSchema.parse(this.named('CronJob', 'ops'));
    const { template, activeDeadlineSeconds } = spec.jobTemplate.spec;
    return { suspend: spec.suspend, template, activeDeadlineSeconds };
  }

  environment(name: Configured | 'ops'): ContainerEnvironment {
    return this.config(name, z.object({})).environment;
  }

  kafka(): z.infer<z.ZodObject<typeof kafkaConfigShape>> {
    return this.config('intake', z.object(kafkaConfigShape)).config;
  }

  topics(): Topic[] {
    return topicsOf(topicNames(this.kafka().TOPIC_PREFIX));
  }
}
