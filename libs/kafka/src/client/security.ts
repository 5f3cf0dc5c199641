import {
  checkCredentials,
  checkNeeds,
  credentialNames,
  faultOf,
  flag,
  hasUserInfo,
  optionalText,
  textFile,
} from '@bulk/runtime';
import { z } from 'zod';

const SASL = credentialNames('KAFKA_SASL');
const REGISTRY = credentialNames('SCHEMA_REGISTRY');
const TLS_FILES = ['KAFKA_TLS_CA_FILE', 'KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'];

/** Settings of TLS and credentials for Kafka and the Schema Registry. `checkKafkaConfig` checks them together. */
export const kafkaSecurityShape = {
  KAFKA_TLS: flag(false, 'Whether to connect to the brokers by TLS. Their certificates are verified.'),
  KAFKA_TLS_CA_FILE: textFile(
    "File with the CA certificates (PEM) that sign the brokers' certificates. Default: the system's CA certificates.",
  ),
  KAFKA_TLS_CERT_FILE: textFile('File with the client certificate (PEM), for brokers that request one.'),
  KAFKA_TLS_KEY_FILE: textFile('File with the private key (PEM) of the client certificate.'),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'expected plain, scram-sha-256 or scram-sha-512')
    .optional()
    .meta({
      description:
        'SASL mechanism with which the platform authenticates to the brokers. Default: no authentication.',
    }),
  KAFKA_SASL_USERNAME: optionalText('User name for the brokers (SASL).'),
  KAFKA_SASL_PASSWORD: optionalText('Password for the brokers (SASL), if no file contains it.'),
  KAFKA_SASL_PASSWORD_FILE: textFile(
    'File with the password for the brokers (SASL), in place of the password itself.',
  ),
  SCHEMA_REGISTRY_USERNAME: optionalText('User name for the Schema Registry (basic authentication).'),
  SCHEMA_REGISTRY_PASSWORD: optionalText('Password for the Schema Registry, if no file contains it.'),
  SCHEMA_REGISTRY_PASSWORD_FILE: textFile(
    'File with the password for the Schema Registry, in place of the password itself.',
  ),
  SCHEMA_REGISTRY_CA_FILE: textFile(
    "File with the CA certificates (PEM) that sign the Schema Registry's certificate, for an https:// URL. Default: Node's CA certificates.",
  ),
};

type Security = z.infer<z.ZodObject<typeof kafkaSecurityShape>> & { readonly SCHEMA_REGISTRY_URL: string };

/**
 * Checks the settings together; for `superRefine` of a service's schema. A fault names the variable, never its value.
 */
export function checkKafkaConfig(config: Security, context: z.RefinementCtx): void {
  const fault = faultOf(context);
  checkNeeds(config, TLS_FILES, 'KAFKA_TLS=true', config.KAFKA_TLS, fault);
  checkNeeds(
    config,
    ['KAFKA_TLS_CERT_FILE'],
    'KAFKA_TLS_KEY_FILE',
    config.KAFKA_TLS_KEY_FILE !== undefined,
    fault,
  );
  checkNeeds(
    config,
    ['KAFKA_TLS_KEY_FILE'],
    'KAFKA_TLS_CERT_FILE',
    config.KAFKA_TLS_CERT_FILE !== undefined,
    fault,
  );
  checkNeeds(
    config,
    Object.values(SASL),
    'KAFKA_SASL_MECHANISM',
    config.KAFKA_SASL_MECHANISM !== undefined,
    fault,
  );
  checkCredentials(config, SASL, { nameNeeded: true }, fault);
  if (config.KAFKA_SASL_MECHANISM !== undefined && config.KAFKA_SASL_USERNAME === undefined) {
    fault('KAFKA_SASL_MECHANISM', 'expected KAFKA_SASL_USERNAME and a password as well');
  }
  checkCredentials(config, REGISTRY, { nameNeeded: true }, fault);
  if (hasUserInfo(config.SCHEMA_REGISTRY_URL) && config.SCHEMA_REGISTRY_USERNAME !== undefined) {
    fault('SCHEMA_REGISTRY_USERNAME', 'expected no credentials in SCHEMA_REGISTRY_URL as well');
  }
  const encrypted = config.SCHEMA_REGISTRY_URL.startsWith('https:');
  checkNeeds(config, ['SCHEMA_REGISTRY_CA_FILE'], 'an https:// URL as SCHEMA_REGISTRY_URL', encrypted, fault);
}
