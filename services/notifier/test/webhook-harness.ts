import type { ActionDocument, CallbackState } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { NotifierHarness, type RunningNotifier } from './harness.ts';
import { Receiver, type Answer } from './receiver.ts';

export const MASTER_SECRET = 'a master secret of this installation';

/**
 * Short times, with local receivers allowed. The poll is so slow that it serves only tests that set
 * it.
 */
export const WEBHOOK_ENV = {
  WEBHOOK_SECRET: MASTER_SECRET,
  WEBHOOK_ALLOW_HTTP: 'true',
  WEBHOOK_ALLOWED_PORTS: 'any',
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32',
  WEBHOOK_POLL_MS: '600000',
  WEBHOOK_INITIAL_DELAY_MS: '10',
  WEBHOOK_MAX_DELAY_MS: '10',
  WEBHOOK_TIMEOUT_MS: '5000',
};

/** Runs notifiers that deliver webhooks, and receivers of them. */
export class WebhookHarness {
  readonly notifiers: NotifierHarness;

  private constructor(notifiers: NotifierHarness) {
    this.notifiers = notifiers;
  }

  static async create(): Promise<WebhookHarness> {
    return new WebhookHarness(await NotifierHarness.create());
  }

  start(env: Readonly<Record<string, string>> = {}): Promise<RunningNotifier> {
    return this.notifiers.start({ ...WEBHOOK_ENV, ...env });
  }

  /** Starts a receiver that is stopped at the end. */
  async receiver(answer?: Answer, port?: number, tls?: boolean): Promise<Receiver> {
    const receiver = await Receiver.start(answer, port, tls);
    this.notifiers.installation.onDispose(() => receiver.stop());
    return receiver;
  }

  /** Stores an action with a callback as intake would, by default an ended one. @returns its id. */
  givenAction(
    url: string,
    callback: Partial<CallbackState> = {},
    state: Partial<ActionDocument> = {},
  ): Promise<string> {
    return this.notifiers.givenAction({
      status: 'completed',
      total: 10,
      counts: { success: 7, failure: 2, skipped: 1 },
      finishedAt: new Date(),
      ...state,
      callback: {
        url,
        state: 'waiting',
        attempts: 0,
        dueAt: new Date(),
        owner: null,
        lastAttemptAt: null,
        lastError: null,
        ...callback,
      },
    });
  }

  async callback(actionId: string): Promise<CallbackState> {
    const action = await this.notifiers.database.actions.findOne({ _id: actionId });
    if (action?.callback === undefined) throw new Error(`action ${actionId} has no callback`);
    return action.callback;
  }

  /** Waits until a callback is in a state. @returns the callback. */
  awaitState(actionId: string, state: CallbackState['state']): Promise<CallbackState> {
    return eventually(`the callback is ${state}`, async () => {
      const callback = await this.callback(actionId);
      return callback.state === state ? callback : undefined;
    });
  }
}
