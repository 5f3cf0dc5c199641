import type { Settlement } from './claimed-webhook.ts';

/** Is told what becomes of webhooks; its functions never throw. */
export interface WebhookRecorder {
  /** A try took so many seconds, and this follows from it. */
  tried(result: Settlement['kind'], seconds: number): void;
}
