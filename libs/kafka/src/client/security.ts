import {
  checkCredentials,
  checkNeeds,
  checkSecret,
  credentialNames,
  faultOf,
  flag,
  hasUserInfo,
  optionalText,
  secretOf,
  textFile,
  type Fault,
} from '@bulk/runtime';
import { z } from 'zod';

const SASL = credentialNames('KAFKA_SASL');
const REGISTRY = credentialNames('SCHEMA_REGISTRY');
/** Settings of `oauthbearer` alone. */
const OAUTH = {
  url: 'KAFKA_SASL_TOKEN_URL',
  clientId: 'KAFKA_SASL_CLIENT_ID',
  secret: 'KAFKA_SASL_CLIENT_SECRET',
  secretFile: 'KAFKA_SASL_CLIENT_SECRET_FILE',
  scope: 'KAFKA_SASL_SCOPE',
};
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
    .enum(
      ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'],
      'expected plain, scram-sha-256, scram-sha-512 or oauthbearer',
    )
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
  KAFKA_SASL_TOKEN_URL: z
    .string()
    .refine(isTokenUrl, 'expected an https:// URL without credentials, or http:// on a loopback address')
    .optional()
    .meta({
      description:
        "Token endpoint of the OAuth 2 server (client credentials grant) for mechanism oauthbearer. Its certificate is verified with Node's CA certificates.",
    }),
  KAFKA_SASL_CLIENT_ID: optionalText('Client id at the token endpoint, for mechanism oauthbearer.'),
  KAFKA_SASL_CLIENT_SECRET: optionalText('Client secret at the token endpoint, if no file contains it.'),
  KAFKA_SASL_CLIENT_SECRET_FILE: textFile(
    'File with the client secret at the token endpoint, in place of the secret itself.',
  ),
  KAFKA_SASL_SCOPE: optionalText(
    'Scopes of the requested tokens, separated by spaces, for mechanism oauthbearer. Default: those that the server gives.',
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
  checkSasl(config, fault);
  checkCredentials(config, REGISTRY, { nameNeeded: true }, fault);
  if (hasUserInfo(config.SCHEMA_REGISTRY_URL) && config.SCHEMA_REGISTRY_USERNAME !== undefined) {
    fault('SCHEMA_REGISTRY_USERNAME', 'expected no credentials in SCHEMA_REGISTRY_URL as well');
  }
  const encrypted = config.SCHEMA_REGISTRY_URL.startsWith('https:');
  checkNeeds(config, ['SCHEMA_REGISTRY_CA_FILE'], 'an https:// URL as SCHEMA_REGISTRY_URL', encrypted, fault);
}

function checkSasl(config: Security, fault: Fault): void {
  const mechanism = config.KAFKA_SASL_MECHANISM;
  const oauth = mechanism === 'oauthbearer';
  const passwordNeeds = oauth ? 'plain or SCRAM as KAFKA_SASL_MECHANISM' : 'KAFKA_SASL_MECHANISM';
  checkNeeds(config, Object.values(SASL), passwordNeeds, mechanism !== undefined && !oauth, fault);
  checkNeeds(config, Object.values(OAUTH), 'KAFKA_SASL_MECHANISM=oauthbearer', oauth, fault);
  checkSecret(config, OAUTH.secret, fault);
  if (oauth) {
    if (config.KAFKA_SASL_TOKEN_URL === undefined) needs(OAUTH.url);
    if (config.KAFKA_SASL_CLIENT_ID === undefined) needs(OAUTH.clientId);
    const secret = secretOf(config, 'KAFKA_SASL_CLIENT_SECRET');
    if (secret === undefined) needs(`${OAUTH.secret} or ${OAUTH.secretFile}`);
    return;
  }
  checkCredentials(config, SASL, { nameNeeded: true }, fault);
  if (mechanism !== undefined && config.KAFKA_SASL_USERNAME === undefined)
    needs('KAFKA_SASL_USERNAME and a password');

  function needs(what: string): void {
    fault('KAFKA_SASL_MECHANISM', `expected ${what} as well`);
  }
}

/** Returns whether a secret may be sent to this URL: encrypted, or without leaving the machine. */
function isTokenUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return (
    protocol === 'https:' || (protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname))
  );
}
