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

/** How Kafka and the Schema Registry are reached, and as whom; to be checked together by `checkKafkaConfig`. */
export const kafkaSecurityShape = {
  KAFKA_TLS: flag(false, 'Reach the brokers by TLS; their certificates are verified.'),
  KAFKA_TLS_CA_FILE: textFile("Certificates (PEM) of who signs the brokers'; absent: the system's own."),
  KAFKA_TLS_CERT_FILE: textFile('Our own certificate (PEM), where brokers ask for one.'),
  KAFKA_TLS_KEY_FILE: textFile('The key (PEM) of KAFKA_TLS_CERT_FILE.'),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'expected plain, scram-sha-256 or scram-sha-512')
    .optional()
    .meta({ description: 'How we prove to the brokers who we are; absent: not at all.' }),
  KAFKA_SASL_USERNAME: optionalText('Our name at the brokers.'),
  KAFKA_SASL_PASSWORD: optionalText('Our password at the brokers; this or KAFKA_SASL_PASSWORD_FILE.'),
  KAFKA_SASL_PASSWORD_FILE: textFile('A file with our password at the brokers.'),
  SCHEMA_REGISTRY_USERNAME: optionalText('Our name at the Schema Registry (basic authentication).'),
  SCHEMA_REGISTRY_PASSWORD: optionalText(
    'Our password at the Schema Registry; this or SCHEMA_REGISTRY_PASSWORD_FILE.',
  ),
  SCHEMA_REGISTRY_PASSWORD_FILE: textFile('A file with our password at the Schema Registry.'),
  SCHEMA_REGISTRY_CA_FILE: textFile(
    "Certificates (PEM) of who signs the Schema Registry's, for an https:// URL; absent: Node's own.",
  ),
};

type Security = z.infer<z.ZodObject<typeof kafkaSecurityShape>> & { readonly SCHEMA_REGISTRY_URL: string };

/** What the variables must be together; for `superRefine` of a service's schema. Names the variable, never its value. */
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
    fault('KAFKA_SASL_MECHANISM', 'expected KAFKA_SASL_USERNAME and a password beside it');
  }
  checkCredentials(config, REGISTRY, { nameNeeded: true }, fault);
  if (hasUserInfo(config.SCHEMA_REGISTRY_URL) && config.SCHEMA_REGISTRY_USERNAME !== undefined) {
    fault('SCHEMA_REGISTRY_USERNAME', 'expected no credentials in SCHEMA_REGISTRY_URL beside it');
  }
  const encrypted = config.SCHEMA_REGISTRY_URL.startsWith('https:');
  checkNeeds(config, ['SCHEMA_REGISTRY_CA_FILE'], 'an https:// URL as SCHEMA_REGISTRY_URL', encrypted, fault);
}
