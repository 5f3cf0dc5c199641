import { Agent } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { secretOf } from '@bulk/runtime';
import type { KafkaConfig as ClientConfig, SASLOptions } from 'kafkajs';
import type { KafkaConfig } from './config.ts';
import { OAuthTokens } from './oauth-tokens.ts';

/** Returns how kafkajs reaches the brokers: addresses, TLS, SASL. */
export function brokerAccess(config: KafkaConfig): Pick<ClientConfig, 'brokers' | 'ssl' | 'sasl'> {
  const sasl = saslOf(config);
  return {
    brokers: [...config.KAFKA_BROKERS],
    ...(config.KAFKA_TLS ? { ssl: tlsOf(config) } : {}),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function tlsOf(config: KafkaConfig): ConnectionOptions {
  const { KAFKA_TLS_CA_FILE: ca, KAFKA_TLS_CERT_FILE: cert, KAFKA_TLS_KEY_FILE: key } = config;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

function saslOf(config: KafkaConfig): SASLOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username } = config;
  if (mechanism === 'oauthbearer') return oauthOf(config);
  const password = secretOf(config, 'KAFKA_SASL_PASSWORD');
  if (mechanism === undefined || username === undefined || password === undefined) return undefined;
  return { mechanism, username, password };
}

/** kafkajs asks the provider for each authentication, also when it renews that of an open connection. */
function oauthOf(config: KafkaConfig): SASLOptions | undefined {
  const { KAFKA_SASL_TOKEN_URL: url, KAFKA_SASL_CLIENT_ID: clientId, KAFKA_SASL_SCOPE: scope } = config;
  const clientSecret = secretOf(config, 'KAFKA_SASL_CLIENT_SECRET');
  if (url === undefined || clientId === undefined || clientSecret === undefined) return undefined;
  const timeoutMs = config.KAFKA_REQUEST_TIMEOUT_MS;
  const tokens = new OAuthTokens({ url, clientId, clientSecret, scope, timeoutMs });
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await tokens.get() }) };
}

/**
 * Returns how to reach the Schema Registry. Credentials are removed from the URL, so that no error message contains
 * them.
 */
export function registryAccess(config: KafkaConfig): {
  host: string;
  auth?: { username: string; password: string };
  agent?: Agent;
} {
  const url = new URL(config.SCHEMA_REGISTRY_URL);
  const username = config.SCHEMA_REGISTRY_USERNAME ?? decodeURIComponent(url.username);
  const password = secretOf(config, 'SCHEMA_REGISTRY_PASSWORD') ?? decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  const ca = config.SCHEMA_REGISTRY_CA_FILE;
  return {
    host: url.href.replace(/\/$/, ''),
    ...(username === '' ? {} : { auth: { username, password } }),
    ...(ca === undefined ? {} : { agent: new Agent({ ca, keepAlive: true }) }),
  };
}
