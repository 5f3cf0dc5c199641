import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { topicNames, topicsOf } from '@bulk/contracts';
import { kafkaConfigShape, topicPlans } from '@bulk/kafka';
import { cacheFolder, provideKubernetesValidate, run, workspaceRoot } from '@bulk/local-stack';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { IMAGE_USER } from '../src/operator/images/images.ts';
import {
  configSchema,
  CONFIGURED,
  environmentOf,
  neededVariables,
} from '../src/generators/manifests/environment.ts';
import {
  cronJobSchema,
  kafkaTopicSchema,
  scaledObjectSchema,
  workloadSchema,
  type ContainerManifest,
  type Manifest,
  type Workload,
} from '../src/generators/manifests/manifest.ts';
import {
  OVERLAYS,
  parseManifests,
  renderOverlay,
  type Rendered,
} from '../src/generators/manifests/render.ts';

const PROVISIONING_MS = 600_000;
const context = { cache: cacheFolder(), env: process.env, log: console.log };
const KAFKA_NAMESPACE = 'kafka';
const OPERATORS_KINDS = ['KafkaTopic', 'ScaledObject'];
/** Objects of every service. Intake and notifier, which clients reach, have an Ingress as well. */
const KINDS = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'NetworkPolicy'];
const SCALED_BY = {
  intake: 'HorizontalPodAutoscaler',
  notifier: 'HorizontalPodAutoscaler',
  handler: 'ScaledObject',
  'stats-aggregator': 'ScaledObject',
} as const;
const services = Object.keys(SCALED_BY) as (keyof typeof SCALED_BY)[];

const ingressSchema = z.object({
  spec: z.object({
    rules: z.array(
      z.object({
        host: z.string(),
        http: z.object({
          paths: z.array(
            z.object({
              path: z.string(),
              pathType: z.string(),
              backend: z.object({ service: z.object({ name: z.string() }) }),
            }),
          ),
        }),
      }),
    ),
  }),
});

const secrets = new Map(
  parseManifests(readFileSync(join(workspaceRoot, 'deploy/k8s/secrets.example.yaml'), 'utf8')).flatMap(
    (secret) =>
      Object.entries(z.record(z.string(), z.string()).parse(secret['stringData'])).map(
        ([key, value]) => [`${secret.metadata.name}/${key}`, value] as const,
      ),
  ),
);

describe.each(OVERLAYS)('the manifests of %s', (overlay) => {
  let rendered: Rendered;
  let workloads: Map<string, Workload>;
  beforeAll(async () => {
    rendered = await renderOverlay(overlay, context);
    const found = rendered.manifests.filter(({ kind }) => ['Deployment', 'Job'].includes(kind));
    // The Job of the installer has the tag of its image in its name.
    const nameOf = ({ kind, metadata }: Manifest): string =>
      kind === 'Job' ? String(metadata.labels?.['app.kubernetes.io/name']) : metadata.name;
    workloads = new Map(found.map((each) => [nameOf(each), workloadSchema.parse(each)]));
  }, PROVISIONING_MS);

  const named = (kind: string, name: string): Manifest | undefined =>
    rendered.manifests.find((each) => each.kind === kind && each.metadata.name === name);
  const podOf = (name: string) => workloads.get(name)!.spec.template.spec;
  const containerOf = (name: string): ContainerManifest => podOf(name).containers[0]!;
  const environment = (name: string) => environmentOf(containerOf(name), rendered.manifests, secrets);

  it(
    'fit the schemas of Kubernetes, unknown fields refused',
    async () => {
      const program = await provideKubernetesValidate(context);
      const folder = mkdtempSync(join(tmpdir(), 'bulk-manifests-'));
      try {
        const file = join(folder, 'all.yaml');
        writeFileSync(file, rendered.text);
        const { code, output } = await run(program, ['--strict', file], { env: process.env });
        expect({ code, output }).toMatchObject({ code: 0 });
        expect(output.match(/passed for resource/g)).toHaveLength(
          rendered.manifests.filter(({ kind }) => !OPERATORS_KINDS.includes(kind)).length,
        );
        // The next test checks the objects without a schema.
        for (const [, kind] of output.matchAll(/Couldn't find schema for kind (\w+)/g)) {
          expect(OPERATORS_KINDS).toContain(kind);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    PROVISIONING_MS,
  );

  it('are valid for the operators of Kafka and KEDA', () => {
    const of = (wanted: string): Manifest[] => rendered.manifests.filter(({ kind }) => kind === wanted);
    expect(of('KafkaTopic').map((each) => kafkaTopicSchema.parse(each)).length).toBeGreaterThan(0);
    expect(of('ScaledObject').map((each) => scaledObjectSchema.parse(each))).toHaveLength(2);
  });

  it('have for each service all settings that it needs, and no other', () => {
    for (const service of services) {
      for (const kind of [...KINDS, SCALED_BY[service]]) expect(named(kind, service)?.kind).toBe(kind);
      const reached = service === 'intake' || service === 'notifier';
      expect(named('Ingress', service) !== undefined).toBe(reached);
      const own = { 'app.kubernetes.io/name': service };
      const { template, selector } = z
        .object({ selector: z.object({ matchLabels: z.unknown() }), template: z.looseObject({}) })
        .parse(workloads.get(service)!.spec);
      expect(selector.matchLabels).toEqual(own);
      expect(template).toMatchObject({ metadata: { labels: own } });
      expect(podOf(service).serviceAccountName).toBe(service);
      expect(podOf(service).topologySpreadConstraints.map(({ labelSelector }) => labelSelector)).toEqual([
        { matchLabels: own },
        { matchLabels: own },
      ]);
      expect(named('Service', service)?.['spec']).toMatchObject({ selector: own });
      expect(named('NetworkPolicy', service)?.['spec']).toMatchObject({ podSelector: { matchLabels: own } });
      expect(named('PodDisruptionBudget', service)?.['spec']).toMatchObject({
        selector: { matchLabels: own },
      });
      // A deployment must not reset a replica count that an autoscaler controls.
      expect(workloads.get(service)!.spec).not.toHaveProperty('replicas');
    }
    expect([...workloads.keys()].sort()).toEqual([...CONFIGURED].sort());
    expect(named('NetworkPolicy', 'default-deny')?.['spec']).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
  });

  it("route the WebSocket at the root of the REST API's host", () => {
    const pathsOf = (service: string) =>
      ingressSchema
        .parse(
          rendered.manifests.find(({ kind, metadata }) => kind === 'Ingress' && metadata.name === service),
        )
        .spec.rules.flatMap(({ host, http }) =>
          http.paths.map(({ path, pathType, backend }) => [host, path, pathType, backend.service.name]),
        );
    const [intake] = pathsOf('intake');
    const host = intake?.[0];
    expect(intake).toEqual([host, '/', 'Prefix', 'intake']);
    expect(pathsOf('notifier')).toEqual([
      [`live.${host}`, '/', 'Prefix', 'notifier'],
      [host, '/', 'Exact', 'notifier'],
    ]);
  });

  it('meet the restricted profile, write nothing and have limits', () => {
    const [uid, gid] = IMAGE_USER.split(':').map(Number);
    for (const name of CONFIGURED) {
      expect(podOf(name)).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: uid,
          runAsGroup: gid,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      expect(containerOf(name).securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(containerOf(name).image).toMatch(/:(?!latest$)[\w.-]+$/);
    }
    const namespaces = rendered.manifests.filter(({ kind }) => kind === 'Namespace');
    expect(namespaces.map(({ metadata }) => metadata.labels)).toEqual([
      expect.objectContaining({ 'pod-security.kubernetes.io/enforce': 'restricted' }),
    ]);
    expect(rendered.manifests.some(({ kind }) => kind === 'Secret')).toBe(false);
  });

  it.each(CONFIGURED)(
    'give %s only variables that it reads, values that it accepts, and all required variables',
    async (name) => {
      const schema = await configSchema(name);
      const given = environment(name);
      expect(Object.keys(given).filter((variable) => !(variable in schema.shape))).toEqual([]);
      const needed = neededVariables(schema);
      expect(needed).toContain('KAFKA_BROKERS');
      expect(needed.filter((variable) => !(variable in given))).toEqual([]);
      expect(() => loadConfig(schema, given)).not.toThrow();
    },
  );

  it.each(services)('probe %s where it answers and give it time to stop', async (name) => {
    const config = z
      .looseObject({ ADMIN_PORT: z.number(), PORT: z.number().optional(), SHUTDOWN_GRACE_MS: z.number() })
      .parse(loadConfig(await configSchema(name), environment(name)));
    const { ports, startupProbe, livenessProbe, readinessProbe, lifecycle } = containerOf(name);
    expect(Object.fromEntries(ports.map((port) => [port.name, port.containerPort]))).toEqual({
      admin: config.ADMIN_PORT,
      ...(config.PORT === undefined ? {} : { http: config.PORT }),
    });
    expect(startupProbe?.httpGet).toEqual({ path: '/livez', port: 'admin' });
    expect(livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'admin' });
    expect(readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'admin' });
    const annotations = { 'prometheus.io/port': String(config.ADMIN_PORT), 'prometheus.io/path': '/metrics' };
    expect(workloads.get(name)!.spec.template.metadata).toMatchObject({ annotations });

    const pauseMs = (lifecycle?.preStop.sleep.seconds ?? 0) * 1_000;
    if (config.PORT !== undefined) expect(pauseMs).toBeGreaterThan(0);
    const graceMs = podOf(name).terminationGracePeriodSeconds! * 1_000;
    expect(graceMs).toBeGreaterThan(pauseMs + config.SHUTDOWN_GRACE_MS);
  });

  it('agree wherever the services must agree', () => {
    const shared = Object.keys(kafkaConfigShape);
    const of = (name: string): unknown => {
      const given = environment(name);
      return Object.fromEntries(shared.map((variable) => [variable, given[variable]]));
    };
    for (const name of CONFIGURED) expect(of(name)).toEqual(of('intake'));
    expect(environment('notifier')['WEBHOOK_SECRET']).toBe(environment('intake')['WEBHOOK_SECRET']);
    expect(environment('notifier')['AUTH_MODE']).toBe(environment('intake')['AUTH_MODE']);
    expect(environment('handler')['REDIS_PREFIX']).toBe(environment('intake')['REDIS_PREFIX']);
  });

  it('run the installer once per version, and keep what failed for a week', () => {
    const jobs = rendered.manifests.filter(({ kind }) => kind === 'Job');
    const tag = containerOf('installer').image.split(':').at(-1)!;
    expect(jobs.map(({ metadata }) => metadata.name)).toEqual([`installer-${tag}`]);
    expect(containerOf('installer')).toMatchObject({ args: ['install'] });
    expect(workloads.get('installer')!.spec).toMatchObject({ ttlSecondsAfterFinished: 7 * 24 * 3_600 });
  });

  it("have a suspended CronJob with the operator's commands, restricted as every pod and with its own policy", () => {
    const { spec } = cronJobSchema.parse(named('CronJob', 'ops'));
    expect(spec.suspend).toBe(true);
    const { metadata, spec: pod } = spec.jobTemplate.spec.template;
    expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'ops' });
    const selector = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'ops' } } };
    expect(named('NetworkPolicy', 'ops')?.['spec']).toMatchObject(selector);
    const { securityContext, automountServiceAccountToken } = podOf('installer');
    expect(pod).toMatchObject({ securityContext, automountServiceAccountToken, serviceAccountName: 'ops' });
    const [container] = pod.containers;
    expect(container).toMatchObject({
      image: containerOf('installer').image,
      securityContext: containerOf('installer').securityContext,
      args: ['wait'],
    });
    const given = environmentOf(container!, rendered.manifests, secrets);
    const platform = environment('installer');
    expect(given).toMatchObject(platform);
    expect(given['REDIS_URL']).toBe(environment('handler')['REDIS_URL']);
  });

  it('create every topic as the services do', () => {
    const config = loadConfig(z.object(kafkaConfigShape), environment('intake'));
    const topics = rendered.manifests
      .filter(({ kind }) => kind === 'KafkaTopic')
      .map((each) => kafkaTopicSchema.parse(each));
    const described = topics.map(({ metadata, spec: { partitions, replicas, config: entries } }) => ({
      topic: metadata.name,
      partitions,
      replicas,
      config: Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, String(value)])),
    }));
    const byName = (a: { topic: string }, b: { topic: string }): number => (a.topic < b.topic ? -1 : 1);
    const plans = topicPlans(topicNames(config.TOPIC_PREFIX), config);
    expect(described.sort(byName)).toEqual(plans.sort(byName));
    expect(topics.every(({ metadata }) => metadata.namespace === KAFKA_NAMESPACE)).toBe(true);
    expect(config.KAFKA_BROKERS.every((broker) => broker.endsWith(`.${KAFKA_NAMESPACE}.svc:9092`))).toBe(
      true,
    );
  });

  it('scale on the lag of the groups and topics that the services use', () => {
    const config = loadConfig(z.object(kafkaConfigShape), environment('handler'));
    const topics = topicNames(config.TOPIC_PREFIX);
    const expected = new Map<string, { group: string; topic: string }[]>();
    for (const { name: topic, member, consumers } of topicsOf(topics)) {
      for (const [service, { group, scaled }] of Object.entries(consumers)) {
        if (!scaled || group === 'per-process') continue;
        const watched = { group: `${config.TOPIC_PREFIX}${group(member ?? '')}`, topic };
        expected.set(service, [...(expected.get(service) ?? []), watched]);
      }
    }
    const scaledObjects = rendered.manifests.filter(({ kind }) => kind === 'ScaledObject');
    expect(scaledObjects.map(({ metadata }) => metadata.name).sort()).toEqual([...expected.keys()].sort());
    for (const [service, watched] of expected) {
      const { spec } = scaledObjectSchema.parse(named('ScaledObject', service));
      const metadata = spec.triggers.map((trigger) => trigger.metadata);
      expect(spec.scaleTargetRef).toEqual({ name: service });
      expect(metadata.map(({ consumerGroup: group, topic }) => ({ group, topic }))).toEqual(watched);
      for (const { bootstrapServers } of metadata)
        expect(bootstrapServers.split(',')).toEqual(config.KAFKA_BROKERS);
      const watchedTopics = new Set(watched.map(({ topic }) => topic));
      const plans = topicPlans(topics, config).filter(({ topic }) => watchedTopics.has(topic));
      const partitions = plans.reduce((sum, plan) => sum + plan.partitions, 0);
      expect(spec.maxReplicaCount).toBeLessThanOrEqual(partitions);
      expect(spec.minReplicaCount).toBeLessThanOrEqual(spec.maxReplicaCount);
      expect(spec.fallback.replicas).toBeLessThanOrEqual(spec.maxReplicaCount);
    }
  });
});
