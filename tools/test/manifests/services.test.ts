import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { checkKafkaConfig, kafkaConfigShape } from '@bulk/kafka';
import { workspaceRoot } from '@bulk/local-stack';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { IMAGE_USER } from '../../src/operator/images/images.ts';
import { configSchema, CONFIGURED, neededVariables } from '../../src/generators/manifests/environment.ts';
import { OVERLAYS } from '../../src/generators/manifests/render.ts';
import { installConfigSchema } from '../../src/operator/install/index.ts';
import { MAX_MINUTES } from '../../src/operator/wait/command.ts';
import { PROVISIONING_MS, RenderedOverlay } from './overlay.ts';

/** Objects of every service. */
const KINDS = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget'];
const SCALED_BY = {
  intake: 'HorizontalPodAutoscaler',
  notifier: 'HorizontalPodAutoscaler',
  handler: 'ScaledObject',
  'stats-aggregator': 'ScaledObject',
} as const;
const services = Object.keys(SCALED_BY) as (keyof typeof SCALED_BY)[];

/** The policies that select the pods of a service, in addition to those of every pod. */
const POLICIES = {
  intake: ['callers', 'internet', 'monitoring', 'redis'],
  handler: ['monitoring', 'redis'],
  'stats-aggregator': ['monitoring'],
  notifier: ['callers', 'internet', 'monitoring', 'redis'],
  installer: ['installer'],
  ops: ['ops', 'redis'],
};
const POLICIES_OF_ALL = ['default-deny', 'dns', 'kafka', 'mongodb', 'schema-registry'];

/** Read by Node itself. */
const NODE_OPTIONS = 'NODE_OPTIONS';
const MEBIBYTE = 1_048_576;

const policySchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    podSelector: z.object({
      matchLabels: z.record(z.string(), z.string()).default({}),
      matchExpressions: z
        .array(z.object({ key: z.string(), operator: z.literal('In'), values: z.array(z.string()) }))
        .default([]),
    }),
    egress: z
      .array(
        z.object({
          to: z.array(
            z.object({
              namespaceSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }).optional(),
            }),
          ),
          ports: z.array(z.object({ port: z.union([z.number(), z.string()]) })),
        }),
      )
      .default([]),
  }),
});
const hpaSchema = z.object({
  spec: z.object({
    metrics: z.array(
      z.object({ type: z.literal('Resource'), resource: z.object({ name: z.literal('cpu') }) }),
    ),
  }),
});

/** Peak memory of each service in bytes, as docs/operations/sizing.md has it. */
function measuredMemory(): Map<string, number> {
  const text = readFileSync(join(workspaceRoot, 'docs/operations/sizing.md'), 'utf8');
  const row = /peak memory during 100,000 updates[^|]*\|([^|]*)/.exec(text)?.[1] ?? '';
  return new Map([...row.matchAll(/([a-z-]+) (\d+)/g)].map(([, name = '', mb]) => [name, Number(mb) * 1e6]));
}

const mebibytes = (text: string): number => Number(/^(\d+)Mi$/.exec(text)?.[1]) * MEBIBYTE;

describe.each(OVERLAYS)('the services of the overlay %s', (name) => {
  let overlay: RenderedOverlay;
  beforeAll(async () => {
    overlay = await RenderedOverlay.of(name);
  }, PROVISIONING_MS);

  it('have all objects that they need', () => {
    for (const service of services) {
      for (const kind of [...KINDS, SCALED_BY[service]])
        expect(overlay.named(kind, service)?.kind).toBe(kind);
      const own = { 'app.kubernetes.io/name': service };
      const { template, selector } = z
        .object({ selector: z.object({ matchLabels: z.unknown() }), template: z.looseObject({}) })
        .parse(overlay.workloads.get(service)!.spec);
      expect(selector.matchLabels).toEqual(own);
      expect(template).toMatchObject({ metadata: { labels: own } });
      expect(overlay.pod(service).serviceAccountName).toBe(service);
      expect(overlay.pod(service).topologySpreadConstraints).toEqual([
        expect.objectContaining({
          labelSelector: { matchLabels: own },
          matchLabelKeys: ['pod-template-hash'],
        }),
        expect.objectContaining({
          labelSelector: { matchLabels: own },
          matchLabelKeys: ['pod-template-hash'],
        }),
      ]);
      expect(overlay.named('Service', service)?.['spec']).toMatchObject({ selector: own });
      expect(overlay.named('PodDisruptionBudget', service)?.['spec']).toMatchObject({
        selector: { matchLabels: own },
      });
      // A deployment must not reset a replica count that an autoscaler controls.
      expect(overlay.workloads.get(service)!.spec).not.toHaveProperty('replicas');
    }
    expect([...overlay.workloads.keys()].sort()).toEqual([...CONFIGURED].sort());
  });

  it('reach their peers and nothing else', () => {
    const policies = overlay.all('NetworkPolicy').map((each) => policySchema.parse(each));
    const selects = (labels: Record<string, string>) =>
      policies.filter(
        ({ spec: { podSelector } }) =>
          Object.entries(podSelector.matchLabels).every(([key, value]) => labels[key] === value) &&
          podSelector.matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? '')),
      );
    for (const service of [...CONFIGURED, 'ops'] as const) {
      const template =
        service === 'ops' ? overlay.ops().template : overlay.workloads.get(service)!.spec.template;
      const { labels } = template.metadata;
      const names = selects(labels).map(({ metadata }) => metadata.name);
      expect(names.sort()).toEqual([...POLICIES_OF_ALL, ...POLICIES[service]].sort());
    }
    expect(overlay.named('NetworkPolicy', 'default-deny')?.['spec']).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });

    const environment = overlay.environment('intake');
    const peers = {
      kafka: environment['KAFKA_BROKERS']!,
      'schema-registry': environment['SCHEMA_REGISTRY_URL']!.replace(/^https?:\/\//, ''),
      mongodb: /\/\/([^/]*)/.exec(environment['MONGODB_URI']!)![1]!,
      redis: environment['REDIS_URL']!.replace(/^rediss?:\/\//, ''),
    };
    for (const [peer, addresses] of Object.entries(peers)) {
      const { egress } = policies.find(({ metadata }) => metadata.name === peer)!.spec;
      const allowed = egress.flatMap(({ to, ports }) =>
        to.flatMap(({ namespaceSelector }) =>
          ports.map(
            ({ port }) => `${namespaceSelector?.matchLabels['kubernetes.io/metadata.name']}.svc:${port}`,
          ),
        ),
      );
      const needed = addresses.split(',').map((address) => /[^.]+\.svc:\d+$/.exec(address)?.[0]);
      expect(allowed).toEqual([...new Set(needed)]);
    }
  });

  it('meet the restricted profile, and write nothing but diagnostics', () => {
    const [uid, gid] = IMAGE_USER.split(':').map(Number);
    for (const service of CONFIGURED) {
      const pod = overlay.pod(service);
      const container = overlay.container(service);
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: uid,
          runAsGroup: gid,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.image).toMatch(/:(?!latest$)[\w.-]+$/);
      const written = container.volumeMounts.filter(({ readOnly }) => !readOnly);
      expect(written.map(({ mountPath }) => mountPath)).toEqual(['/diagnostics']);
      expect(pod.volumes).toContainEqual({ name: 'diagnostics', emptyDir: { sizeLimit: '1Gi' } });
    }
    const namespaces = overlay.all('Namespace').map(({ metadata }) => metadata.labels);
    expect(namespaces).toEqual([
      expect.objectContaining({ 'pod-security.kubernetes.io/enforce': 'restricted' }),
    ]);
    expect(overlay.all('Secret')).toEqual([]);
  });

  it('limit the heap to 60 % of the memory and request what was measured', () => {
    const measured = measuredMemory();
    for (const service of CONFIGURED) {
      const { resources } = overlay.container(service);
      const options = overlay.environment(service)[NODE_OPTIONS]!;
      const heap = Number(/--max-old-space-size=(\d+)/.exec(options)?.[1]) * MEBIBYTE;
      const share = heap / mebibytes(resources.limits.memory);
      expect(share).toBeGreaterThan(0.57);
      expect(share).toBeLessThan(0.61);
      if (service === 'installer') continue;
      expect(mebibytes(resources.requests.memory)).toBeGreaterThanOrEqual(measured.get(service)!);
      // A report has the environment, and with it secrets, unless that is excluded.
      expect(options).toContain('--report-on-fatalerror --report-exclude-env');
    }
    const autoscalers = overlay.all('HorizontalPodAutoscaler');
    for (const each of autoscalers) expect(hpaSchema.parse(each).spec.metrics).toHaveLength(1);
  });

  it.each(CONFIGURED)(
    'give %s only variables that it reads, values that it accepts, and all required variables',
    async (service) => {
      const schema = await configSchema(service);
      const given = overlay.environment(service);
      expect(
        Object.keys(given).filter((variable) => !(variable in schema.shape) && variable !== NODE_OPTIONS),
      ).toEqual([]);
      const needed = neededVariables(schema);
      expect(needed).toContain('KAFKA_BROKERS');
      expect(needed.filter((variable) => !(variable in given))).toEqual([]);
      expect(() => overlay.config(service, schema)).not.toThrow();
    },
  );

  it.each(services)('probe %s where it answers and give it time to stop', async (service) => {
    const config = z
      .looseObject({ ADMIN_PORT: z.number(), PORT: z.number().optional(), SHUTDOWN_GRACE_MS: z.number() })
      .parse(overlay.config(service, await configSchema(service)).config);
    const { ports, startupProbe, livenessProbe, readinessProbe, lifecycle } = overlay.container(service);
    expect(Object.fromEntries(ports.map((port) => [port.name, port.containerPort]))).toEqual({
      admin: config.ADMIN_PORT,
      ...(config.PORT === undefined ? {} : { http: config.PORT }),
    });
    expect(startupProbe?.httpGet).toEqual({ path: '/livez', port: 'admin' });
    expect(livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'admin' });
    expect(readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'admin' });
    const annotations = { 'prometheus.io/port': String(config.ADMIN_PORT), 'prometheus.io/path': '/metrics' };
    expect(overlay.workloads.get(service)!.spec.template.metadata).toMatchObject({ annotations });

    const pauseMs = (lifecycle?.preStop.sleep.seconds ?? 0) * 1_000;
    if (config.PORT !== undefined) expect(pauseMs).toBeGreaterThan(0);
    const graceMs = overlay.pod(service).terminationGracePeriodSeconds! * 1_000;
    expect(graceMs).toBeGreaterThan(pauseMs + config.SHUTDOWN_GRACE_MS);
  });

  it('run the installer once per version, and keep what failed for a week', () => {
    const tag = overlay.container('installer').image.split(':').at(-1)!;
    expect(overlay.all('Job').map(({ metadata }) => metadata.name)).toEqual([`installer-${tag}`]);
    expect(overlay.container('installer')).toMatchObject({ args: ['install'] });
    expect(overlay.workloads.get('installer')!.spec).toMatchObject({
      ttlSecondsAfterFinished: 7 * 24 * 3_600,
    });
  });

  it('wait for the installer, which has more time than the build of an index', async () => {
    const own = { ENSURE_TOPICS: false, REGISTER_SCHEMAS: false, ENSURE_INDEXES: false };
    for (const service of services)
      expect(overlay.config(service, await configSchema(service)).config).toMatchObject(own);
    const { MONGODB_INDEX_TIMEOUT_MS, INSTALL_TIMEOUT_MS } = overlay.config(
      'installer',
      installConfigSchema,
    ).config;
    const { activeDeadlineSeconds, backoffLimit } = z
      .looseObject({ activeDeadlineSeconds: z.number(), backoffLimit: z.number() })
      .parse(overlay.workloads.get('installer')!.spec);
    const longestMs = MONGODB_INDEX_TIMEOUT_MS + (backoffLimit + 1) * INSTALL_TIMEOUT_MS;
    expect(activeDeadlineSeconds * 1_000).toBeGreaterThan(longestMs);
  });

  it("have a suspended CronJob with the operator's commands, restricted as every pod and with its own policy", () => {
    const { suspend, template, activeDeadlineSeconds } = overlay.ops();
    expect(suspend).toBe(true);
    // Longer than the command waits at most, and not for ever.
    expect(activeDeadlineSeconds).toBeGreaterThan(MAX_MINUTES * 60);
    const { metadata, spec: pod } = template;
    expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'ops' });
    const selector = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'ops' } } };
    expect(overlay.named('NetworkPolicy', 'ops')?.['spec']).toMatchObject(selector);
    const { securityContext, automountServiceAccountToken } = overlay.pod('installer');
    expect(pod).toMatchObject({ securityContext, automountServiceAccountToken, serviceAccountName: 'ops' });
    const [container] = pod.containers;
    expect(container).toMatchObject({
      image: overlay.container('installer').image,
      securityContext: overlay.container('installer').securityContext,
      args: ['wait'],
    });
    const own = /_USERNAME$|_FILE$|^NODE_OPTIONS$/;
    const platform = Object.entries(overlay.environment('installer')).filter(([key]) => !own.test(key));
    const given = overlay.environment('ops');
    expect(given).toMatchObject(Object.fromEntries(platform));
    expect(given['REDIS_URL']).toBe(overlay.environment('handler')['REDIS_URL']);
    expect(given['REDIS_PREFIX']).toBe(overlay.environment('handler')['REDIS_PREFIX']);
    const config = z
      .object({ ...kafkaConfigShape, ...mongoConfigShape, ...redisConfigShape })
      .superRefine(checkKafkaConfig)
      .superRefine(checkMongoConfig)
      .superRefine(checkRedisConfig);
    expect(() => overlay.config('ops', config)).not.toThrow();
    expect(given['KAFKA_SASL_USERNAME']).toBe(name === 'prod' ? 'bulk-ops' : undefined);
  });

  it('agree wherever the services must agree', () => {
    const shared = Object.keys(kafkaConfigShape).filter((variable) => !variable.endsWith('_USERNAME'));
    // Each reads files of its own, so only their names are compared.
    const of = (service: (typeof CONFIGURED)[number], variables: readonly string[]): unknown => {
      const given = overlay.environment(service);
      return Object.fromEntries(
        variables.map((variable) => [variable, given[variable]?.replace(/^.*(?=\/etc\/bulk\/)/, '')]),
      );
    };
    for (const service of CONFIGURED) expect(of(service, shared)).toEqual(of('intake', shared));
    const both = ['AUTH_MODE', 'JWT_ISSUER', 'REDIS_PREFIX', 'REDIS_URL', ...WEBHOOK_FILES];
    expect(of('notifier', both)).toEqual(of('intake', both));
    const intake = overlay.environment('intake');
    expect(overlay.environment('handler')['REDIS_PREFIX']).toBe(intake['REDIS_PREFIX']);
    expect(loadConfig(z.object({ AUTH_MODE: z.string() }), intake).AUTH_MODE).toBe(
      name === 'prod' ? 'jwt' : 'header',
    );
  });
});

const WEBHOOK_FILES = ['WEBHOOK_SECRET_FILE', 'WEBHOOK_SECRET_PREVIOUS_FILE'];
const WEBHOOK_PATHS = ['/etc/bulk/webhooks/secret', '/etc/bulk/webhooks/previous'];

describe('the services of prod', () => {
  let prod: RenderedOverlay;
  beforeAll(async () => {
    prod = await RenderedOverlay.of('prod');
  }, PROVISIONING_MS);

  it('are authenticated to each dependency, over TLS, as a user of their own', () => {
    const users: Record<string, string[]> = {};
    for (const service of CONFIGURED) {
      const environment = prod.environment(service);
      expect(environment).toMatchObject({
        KAFKA_TLS: 'true',
        KAFKA_SASL_MECHANISM: 'scram-sha-512',
        MONGODB_TLS: 'true',
        SCHEMA_REGISTRY_URL: expect.stringMatching(/^https:/),
      });
      for (const [variable, user] of Object.entries(environment)) {
        if (!variable.endsWith('_USERNAME')) continue;
        users[variable] = [...(users[variable] ?? []), user];
        const file = variable.replace('_USERNAME', '_PASSWORD_FILE');
        expect(environment[file]).toMatch(/\/etc\/bulk\/[a-z-]+\/password$/);
      }
      expect(environment['MONGODB_URI']!.split(',')).toHaveLength(3);
    }
    expect(prod.environment('handler')['REDIS_URL']).toMatch(/^rediss:/);
    const numbers = Object.entries(users).map(([variable, names]) => [variable, new Set(names).size]);
    expect(Object.fromEntries(numbers)).toEqual({
      KAFKA_SASL_USERNAME: 5,
      SCHEMA_REGISTRY_USERNAME: 5,
      MONGODB_USERNAME: 5,
      REDIS_USERNAME: 3,
    });
  });

  it('read the secret of the webhooks from a file, and start without one only if there is no rotation', () => {
    for (const service of ['intake', 'notifier'] as const) {
      const sources = prod
        .pod(service)
        .volumes.flatMap((volume) => ('projected' in volume ? volume.projected.sources : []))
        .filter(({ secret }) => secret.name === 'bulk-webhooks')
        .map(({ secret }) => [secret.items.map(({ path }) => `/etc/bulk/webhooks/${path}`), secret.optional]);
      expect(sources).toEqual(WEBHOOK_PATHS.map((path, i) => [[path], i === 1]));
      const environment = prod.environment(service);
      const given = WEBHOOK_FILES.map((variable) => environment[variable]);
      expect(given).toEqual(WEBHOOK_PATHS.map((path) => expect.stringMatching(`${path}$`)));
    }
  });

  it('restart when a Secret changes', () => {
    const annotations = prod.all('Deployment').map(({ metadata }) => metadata['annotations']);
    expect(annotations).toEqual(services.map(() => ({ 'reloader.stakater.com/auto': 'true' })));
  });
});
