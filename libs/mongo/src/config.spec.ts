import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { databaseNameOf, mongoConfigSchema } from './config.ts';

describe('the configuration of MongoDB', () => {
  it.each<[Record<string, string>, string]>([
    [{ MONGODB_URI: 'mongodb://bulk:hid:den@host:x/db' }, 'MONGODB_URI: expected a connection string'],
    [{ MONGODB_USERNAME: 'bulk' }, 'MONGODB_USERNAME: expected MONGODB_PASSWORD or MONGODB_PASSWORD_FILE'],
    [{ MONGODB_PASSWORD: 'hidden' }, 'MONGODB_PASSWORD: expected MONGODB_USERNAME as well'],
    [
      { MONGODB_URI: 'mongodb://bulk:hidden@host', MONGODB_USERNAME: 'bulk', MONGODB_PASSWORD: 'hidden' },
      'MONGODB_USERNAME: expected no credentials in MONGODB_URI',
    ],
    [{ MONGODB_TLS_CA_FILE: import.meta.filename }, 'MONGODB_TLS_CA_FILE: expected MONGODB_TLS=true'],
    [
      { MONGODB_URI: 'mongodb://host/admin' },
      'MONGODB_DATABASE: expected a database; MONGODB_URI names admin',
    ],
  ])('refuses %j with the variable and without a value', (env, message) => {
    expect(() => loadConfig(mongoConfigSchema, env)).toThrow(message);
    expect(() => loadConfig(mongoConfigSchema, env)).not.toThrow(/hid:?den/);
  });

  it.each<[Record<string, string>]>([
    [{ MONGODB_USERNAME: 'bulk', MONGODB_PASSWORD: 'hidden' }],
    [{ MONGODB_URI: 'mongodb://host/?tls=true', MONGODB_TLS_CA_FILE: import.meta.filename }],
    [{ MONGODB_URI: 'mongodb://bulk:hid%3Aden@a:1,b:2/db?replicaSet=rs&authSource=admin' }],
  ])('accepts %j', (env) => {
    expect(() => loadConfig(mongoConfigSchema, env)).not.toThrow();
  });

  it.each<[string, Record<string, string>]>([
    ['bulk', {}],
    ['bulk', { MONGODB_URI: 'mongodb://host/?tls=true' }],
    ['crm', { MONGODB_URI: 'mongodb://host:1/crm' }],
    ['crm', { MONGODB_URI: 'mongodb://bulk:hid%3Aden@a:1,b:2/crm?replicaSet=rs&authSource=admin' }],
    ['own', { MONGODB_URI: 'mongodb://host/crm', MONGODB_DATABASE: 'own' }],
    ['own', { MONGODB_URI: 'mongodb://host/admin', MONGODB_DATABASE: 'own' }],
  ])('uses the database %s with %j', (name, env) => {
    expect(databaseNameOf(loadConfig(mongoConfigSchema, env))).toBe(name);
  });
});
