import { z } from 'zod';

/** Any object of Kubernetes. A check parses the parts that it needs itself. */
export const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
});
export type Manifest = z.infer<typeof manifestSchema>;

const labels = z.record(z.string(), z.string());
const probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const variable = z.union([
  z.strictObject({ name: z.string(), value: z.string() }),
  z.strictObject({
    name: z.string(),
    valueFrom: z.strictObject({
      // Not optional: a Secret that was deleted must not switch anything off.
      secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }),
    }),
  }),
]);
const secretsVolume = z.strictObject({
  name: z.string(),
  projected: z.strictObject({
    sources: z.array(
      z.strictObject({
        secret: z.strictObject({
          name: z.string(),
          optional: z.boolean().default(false),
          items: z.array(z.strictObject({ key: z.string(), path: z.string() })),
        }),
      }),
    ),
  }),
});
const emptyVolume = z.strictObject({
  name: z.string(),
  emptyDir: z.strictObject({ sizeLimit: z.string() }),
});
const mount = z.strictObject({
  name: z.string(),
  mountPath: z.string(),
  readOnly: z.boolean().default(false),
});
const resources = z.strictObject({ cpu: z.string(), memory: z.string() });

export const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name: z.string() }) })).default([]),
  env: z.array(variable).default([]),
  volumeMounts: z.array(mount),
  resources: z.strictObject({ requests: resources, limits: resources }),
  lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) }).optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  securityContext: z.looseObject({}),
});
export type ContainerManifest = z.infer<typeof containerSchema>;

/** A Deployment or a Job, which has a pod. */
export const workloadSchema = manifestSchema.extend({
  kind: z.enum(['Deployment', 'Job']),
  spec: z.looseObject({
    template: z.looseObject({
      metadata: z.looseObject({ labels }),
      spec: z.looseObject({
        serviceAccountName: z.string(),
        automountServiceAccountToken: z.boolean(),
        terminationGracePeriodSeconds: z.number().optional(),
        securityContext: z.looseObject({}),
        containers: z.array(containerSchema).length(1),
        topologySpreadConstraints: z
          .array(z.looseObject({ labelSelector: z.object({ matchLabels: labels }) }))
          .default([]),
        volumes: z.array(z.union([secretsVolume, emptyVolume])),
      }),
    }),
  }),
});
export type Workload = z.infer<typeof workloadSchema>;
/** The pods of a workload. */
export type PodManifest = Workload['spec']['template']['spec'];

/** A CronJob, whose jobs are workloads. */
export const cronJobSchema = manifestSchema.extend({
  kind: z.literal('CronJob'),
  spec: z.looseObject({
    suspend: z.boolean(),
    jobTemplate: z.looseObject({
      spec: workloadSchema.shape.spec.extend({ activeDeadlineSeconds: z.number() }),
    }),
  }),
});

export const configMapSchema = manifestSchema.extend({
  kind: z.literal('ConfigMap'),
  data: z.record(z.string(), z.string()),
});

/**
 * What the definition of KEDA's ScaledObject leaves open, and what the manifests must set in
 * addition: the metadata of its Kafka scaler, and how fast the number of pods may change.
 */
export const scaledObjectSchema = manifestSchema.extend({
  kind: z.literal('ScaledObject'),
  spec: z.looseObject({
    scaleTargetRef: z.strictObject({ name: z.string() }),
    minReplicaCount: z.number().int().positive(),
    maxReplicaCount: z.number().int().positive(),
    // It has no effect with a minimum of at least 1.
    cooldownPeriod: z.never().optional(),
    fallback: z.strictObject({
      failureThreshold: z.number().int().positive(),
      replicas: z.number().int().positive(),
      behavior: z.literal('currentReplicasIfHigher'),
    }),
    advanced: z.looseObject({
      scalingModifiers: z.looseObject({ formula: z.string(), target: z.string() }).optional(),
      horizontalPodAutoscalerConfig: z.strictObject({
        behavior: z.object({ scaleUp: z.object({}), scaleDown: z.object({}) }),
      }),
    }),
    triggers: z.array(
      z.discriminatedUnion('type', [
        z.strictObject({
          type: z.literal('cpu'),
          metricType: z.literal('Utilization'),
          metadata: z.strictObject({ value: z.string().regex(/^[1-9]\d$/) }),
        }),
        z.strictObject({
          type: z.literal('kafka'),
          name: z.string().optional(),
          authenticationRef: z.strictObject({ name: z.string() }).optional(),
          // KEDA accepts only text.
          metadata: z.strictObject({
            bootstrapServersFromEnv: z.literal('KAFKA_BROKERS'),
            consumerGroup: z.string(),
            topic: z.string(),
            lagThreshold: z.string().regex(/^[1-9]\d*$/),
            offsetResetPolicy: z.enum(['earliest', 'latest']),
            allowIdleConsumers: z.enum(['true', 'false']),
          }),
        }),
      ]),
    ),
  }),
});

/** How KEDA authenticates to Kafka: parameters by Secrets and ConfigMaps. */
export const triggerAuthenticationSchema = manifestSchema.extend({
  kind: z.literal('TriggerAuthentication'),
  spec: z.object({
    configMapTargetRef: z.array(z.object({ parameter: z.string(), name: z.string(), key: z.string() })),
    secretTargetRef: z.array(z.object({ parameter: z.string(), name: z.string(), key: z.string() })),
  }),
});

const strimziMetadata = {
  name: z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/),
  namespace: z.string(),
  labels: z.looseObject({ 'strimzi.io/cluster': z.string() }),
};

/** The parts of Strimzi's KafkaTopic (kafka.strimzi.io/v1) that the manifests use. */
export const kafkaTopicSchema = manifestSchema.extend({
  apiVersion: z.literal('kafka.strimzi.io/v1'),
  kind: z.literal('KafkaTopic'),
  metadata: z.strictObject({
    ...strimziMetadata,
    annotations: z.record(z.string(), z.string()),
  }),
  spec: z.strictObject({
    partitions: z.number().int().positive(),
    replicas: z.number().int().positive(),
    config: z.record(z.string(), z.union([z.number(), z.string()])),
  }),
});

const aclSchema = z.strictObject({
  resource: z.strictObject({
    type: z.enum(['topic', 'group', 'cluster', 'transactionalId']),
    name: z.string(),
    patternType: z.enum(['literal', 'prefix']).default('literal'),
  }),
  host: z.literal('*'),
  operations: z.array(
    z.enum([
      'Read',
      'Write',
      'Delete',
      'Alter',
      'Describe',
      'All',
      'IdempotentWrite',
      'ClusterAction',
      'Create',
      'AlterConfigs',
      'DescribeConfigs',
    ]),
  ),
});

/** The parts of Strimzi's KafkaUser (kafka.strimzi.io/v1) that the manifests use. */
export const kafkaUserSchema = manifestSchema.extend({
  apiVersion: z.literal('kafka.strimzi.io/v1'),
  kind: z.literal('KafkaUser'),
  metadata: z.strictObject(strimziMetadata),
  spec: z.strictObject({
    authentication: z.strictObject({ type: z.literal('scram-sha-512') }),
    authorization: z.strictObject({ type: z.literal('simple'), acls: z.array(aclSchema) }),
  }),
});
