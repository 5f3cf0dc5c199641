import { Agent } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { KafkaConfig as ClientConfig, SASLOptions } from 'kafkajs';
import type { KafkaConfig } from './config.ts';

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
  const password = config.KAFKA_SASL_PASSWORD ?? config.KAFKA_SASL_PASSWORD_FILE;
  if (mechanism === undefined || username === undefined || password === undefined) return undefined;
  return { mechanism, username, password };
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
  const password =
    config.SCHEMA_REGISTRY_PASSWORD ??
    config.SCHEMA_REGISTRY_PASSWORD_FILE ??
    decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  const ca = config.SCHEMA_REGISTRY_CA_FILE;
  return {
    host: url.href.replace(/\/$/, ''),
    ...(username === '' ? {} : { auth: { username, password } }),
    ...(ca === undefined ? {} : { agent: new Agent({ ca, keepAlive: true }) }),
  };
}
