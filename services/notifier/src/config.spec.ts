import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { allowedOriginsOf, notifierConfigSchema } from './config.ts';

describe('notifierConfigSchema', () => {
  it('has a default for every setting', () => {
    expect(loadConfig(notifierConfigSchema, {})).toMatchObject({
      PORT: 3001,
      PROGRESS_HZ: 5,
      MAX_BUFFERED_BYTES: 1_048_576,
      HEARTBEAT_MS: 30_000,
      MAX_MESSAGE_BYTES: 4096,
      MAX_SUBSCRIPTIONS: 100,
      MAX_ACCOUNT_ACTIONS: 10_000,
      MAX_CONNECTIONS: 10_000,
    });
  });

  it.each(['0.2', '0.5', '5', '50'])('accepts %s updates a second', (hz) => {
    expect(loadConfig(notifierConfigSchema, { PROGRESS_HZ: hz }).PROGRESS_HZ).toBe(Number(hz));
  });

  it.each(['0', '0.1', '51', '-1', 'fast', '1e1', 'NaN'])('refuses %s updates a second', (hz) => {
    expect(() => loadConfig(notifierConfigSchema, { PROGRESS_HZ: hz })).toThrow(
      /PROGRESS_HZ: expected a number/,
    );
  });

  it('accepts origins and refuses everything else', () => {
    const config = loadConfig(notifierConfigSchema, {
      INTAKE_PUBLIC_URL: 'https://bulk.example.com/api/',
      WS_ALLOWED_ORIGINS: 'https://app.example.com, http://localhost:8080',
    });
    expect(allowedOriginsOf(config)).toEqual([
      'https://bulk.example.com',
      'https://app.example.com',
      'http://localhost:8080',
    ]);
    expect(allowedOriginsOf(loadConfig(notifierConfigSchema, {}))).toEqual([]);
    for (const WS_ALLOWED_ORIGINS of [
      'app.example.com',
      'https://app.example.com/',
      'https://*.example.com',
    ]) {
      expect(() => loadConfig(notifierConfigSchema, { WS_ALLOWED_ORIGINS })).toThrow(
        /WS_ALLOWED_ORIGINS: expected origins/,
      );
    }
  });
});
