import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';
import type { ContainerManifest } from '../../src/generators/manifests/manifest.ts';
import { SERVICES, type ServiceName } from '../../src/processes/services.ts';
import { PROVISIONING_MS, RenderedOverlay } from './overlay.ts';

const autoscaler = z.object({ spec: z.object({ minReplicas: z.number(), maxReplicas: z.number() }) });
const scaledObject = z.object({
  spec: z.object({ minReplicaCount: z.number(), maxReplicaCount: z.number() }),
});

interface Amounts {
  readonly pods: number;
  readonly cpu: number;
  readonly memory: number;
  readonly cpuLimit: number;
  readonly memoryLimit: number;
}

const cores = (text: string): number =>
  text.endsWith('m') ? Number(text.slice(0, -1)) / 1_000 : Number(text);
const gibibytes = (text: string): number => Number(/^(\d+)Mi$/.exec(text)?.[1]) / 1_024;

function amountsOf({ resources: { requests, limits } }: ContainerManifest, pods: number): Amounts {
  return {
    pods,
    cpu: pods * cores(requests.cpu),
    memory: pods * gibibytes(requests.memory),
    cpuLimit: pods * cores(limits.cpu),
    memoryLimit: pods * gibibytes(limits.memory),
  };
}

function rowOf(name: string, all: readonly Amounts[]): string[] {
  const sum = (key: keyof Amounts): string =>
    String(Math.round(all.reduce((total, each) => total + each[key], 0) * 100) / 100);
  return [name, sum('pods'), sum('cpu'), sum('memory'), sum('cpuLimit'), sum('memoryLimit')];
}

it(
  'docs/operations/sizing.md has what prod requests at rest, at most, and during a rollout',
  async () => {
    const prod = await RenderedOverlay.of('prod');
    const podsOf = (name: ServiceName): [number, number] => {
      const hpa = prod.named('HorizontalPodAutoscaler', name);
      if (hpa !== undefined) {
        const { minReplicas, maxReplicas } = autoscaler.parse(hpa).spec;
        return [minReplicas, maxReplicas];
      }
      const { minReplicaCount, maxReplicaCount } = scaledObject.parse(prod.named('ScaledObject', name)).spec;
      return [minReplicaCount, maxReplicaCount];
    };
    const rest = SERVICES.map((name) => amountsOf(prod.container(name), podsOf(name)[0]));
    const most = SERVICES.map((name) => amountsOf(prod.container(name), podsOf(name)[1]));
    const surge = SERVICES.map((name) => amountsOf(prod.container(name), 1));
    const jobs = [prod.container('installer'), prod.ops().template.spec.containers[0]!];
    const rollout = [...most, ...surge, ...jobs.map((each) => amountsOf(each, 1))];

    const text = readFileSync(join(workspaceRoot, 'docs/operations/sizing.md'), 'utf8');
    const rows = text
      .split('\n')
      .filter((line) => /^\| (at rest|at most|at most, during)/.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(rows).toEqual([
      rowOf('at rest', rest),
      rowOf('at most', most),
      rowOf('at most, during a rollout with the installer and an `ops` job', rollout),
    ]);
  },
  PROVISIONING_MS,
);
