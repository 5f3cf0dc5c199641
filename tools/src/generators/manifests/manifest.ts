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
      secretKeyRef: z.strictObject({ name: z.string(), key: z.string(), optional: z.boolean().optional() }),
    }),
  }),
]);
const resources = z.strictObject({ cpu: z.string(), memory: z.string() });

export const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name: z.string() }) })).default([]),
  env: z.array(variable).default([]),
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
        volumes: z.never().optional(),
      }),
    }),
  }),
});
export type Workload = z.infer<typeof workloadSchema>;

/** A CronJob, whose jobs are workloads. */
export const cronJobSchema = manifestSchema.extend({
  kind: z.literal('CronJob'),
  spec: z.looseObject({
    suspend: z.boolean(),
    jobTemplate: z.looseObject({ spec: workloadSchema.shape.spec }),
  }),
});

export const configMapSchema = manifestSchema.extend({
  kind: z.literal('ConfigMap'),
  data: z.record(z.string(), z.string()),
});

const scaling = z.strictObject({
  stabilizationWindowSeconds: z.number().int().min(0).max(3_600),
  policies: z.array(
    z.strictObject({
      type: z.enum(['Pods', 'Percent']),
      value: z.number().int().positive(),
      periodSeconds: z.number().int().min(1).max(1_800),
    }),
  ),
});

/**
 * The parts of KEDA's ScaledObject (keda.sh/v1alpha1), with its Kafka scaler, that the manifests
 * use.
 */
export const scaledObjectSchema = manifestSchema.extend({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ name: z.string() }),
    minReplicaCount: z.number().int().positive(),
    maxReplicaCount: z.number().int().positive(),
    pollingInterval: z.number().int().positive(),
    cooldownPeriod: z.number().int().positive(),
    fallback: z.strictObject({
      failureThreshold: z.number().int().positive(),
      replicas: z.number().int().positive(),
    }),
    advanced: z.strictObject({
      horizontalPodAutoscalerConfig: z.strictObject({ behavior: z.strictObject({ scaleDown: scaling }) }),
    }),
    triggers: z.array(
      z.strictObject({
        type: z.literal('kafka'),
        // KEDA accepts only text.
        metadata: z.strictObject({
          bootstrapServers: z.string(),
          consumerGroup: z.string(),
          topic: z.string(),
          lagThreshold: z.string().regex(/^[1-9]\d*$/),
          offsetResetPolicy: z.enum(['earliest', 'latest']),
          allowIdleConsumers: z.enum(['true', 'false']),
        }),
      }),
    ),
  }),
});

/** The parts of Strimzi's KafkaTopic (kafka.strimzi.io/v1) that the manifests use. */
export const kafkaTopicSchema = manifestSchema.extend({
  apiVersion: z.literal('kafka.strimzi.io/v1'),
  kind: z.literal('KafkaTopic'),
  metadata: z.strictObject({
    name: z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/),
    namespace: z.string(),
    labels: z.looseObject({ 'strimzi.io/cluster': z.string() }),
  }),
  spec: z.strictObject({
    partitions: z.number().int().positive(),
    replicas: z.number().int().positive(),
    config: z.record(z.string(), z.union([z.number(), z.string()])),
  }),
});
