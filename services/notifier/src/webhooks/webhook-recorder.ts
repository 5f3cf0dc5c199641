import type { Settlement } from './claimed-webhook.ts';

/** Records what happens to webhooks. Its functions never throw. */
export interface WebhookRecorder {
  /** Records how long a try took, and what follows from it. */
  tried(result: Settlement['kind'], seconds: number): void;
}
