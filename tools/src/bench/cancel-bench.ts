import { BulkClient } from '@bulk/client';
import { CodedError, isFinal } from '@bulk/domain';
import { delay } from '@bulk/runtime';
import type { CommandContext } from '../console/command.ts';
import { Screen, thousands } from '../console/screen.ts';
import { whileAllLive } from '../installation/deaths.ts';
import type { ServiceGroup } from '../processes/service-group.ts';
import { benchInstallation, mongoEngine, type StackOption } from './installation.ts';

const ACCOUNT = 'bench';
const BATCH_SIZE = 100;
/** Number of lines of the upload that are sent at once. */
const LINES = 500;
const UPLOAD_TIMEOUT_MS = 1_800_000;
const POLL_MS = 50;
/** Longest time until the action is cancelled, in seconds. */
const GOAL_SECONDS = 10;

export interface CancelOptions extends StackOption {
  readonly entities: number;
  /** Part of the entities that have their outcome when the action is cancelled, in percent. */
  readonly percent: number;
}

/** Measures the time from the request to cancel a large action until the action is `cancelled`. */
export async function benchCancel(options: CancelOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  const screen = new Screen(process.stdout);
  const { stack, start } = await benchInstallation(screen, options, BATCH_SIZE, context);
  const services = await start({ extraEnv: { intake: { MAX_ENTITIES: String(options.entities) } } });
  await whileAllLive({ services, stack, signal }, measure(screen, services, options, signal));
  screen.labelled('MongoDB', await mongoEngine(stack));
}

async function measure(
  screen: Screen,
  { intakeUrl, notifierUrl }: ServiceGroup,
  { entities, percent }: CancelOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = new BulkClient({ baseUrl: intakeUrl, websocketUrl: notifierUrl, accountId: ACCOUNT });
  try {
    const actionId = await screen.step(
      'run',
      async () => {
        const action = await client.uploadEntities({ actionType: 'upsert' }, linesOf(entities), {
          contentType: 'application/x-ndjson',
          timeoutMs: UPLOAD_TIMEOUT_MS,
          signal,
        });
        while ((await client.getAction(action.actionId)).processed < (entities * percent) / 100)
          await poll(signal);
        return action.actionId;
      },
      () => `${percent} % of ${thousands(entities)} entities are done`,
    );
    const askedAt = performance.now();
    await client.cancelAction(actionId);
    let action = await client.getAction(actionId);
    for (; !isFinal(action.status); action = await client.getAction(actionId)) await poll(signal);
    const seconds = (performance.now() - askedAt) / 1000;
    const { status, success, skipped } = action;
    if (status !== 'cancelled' || success + skipped !== entities) {
      throw new CodedError(
        'UNEXPECTED_OUTCOME',
        `${status}: ${success} of ${entities} succeeded, ${skipped} were skipped`,
      );
    }
    screen.line();
    screen.labelled('cancelled', `${seconds.toFixed(1)} s (goal: ${GOAL_SECONDS} s)`);
    screen.labelled('outcomes', `${thousands(success)} successes, ${thousands(skipped)} skipped`);
  } finally {
    client.close();
  }
}

async function poll(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await delay(POLL_MS, signal);
}

/** Yields NDJSON of contacts that do not exist yet. */
async function* linesOf(entities: number): AsyncGenerator<string> {
  for (let from = 0; from < entities; from += LINES) {
    let text = '';
    for (let i = from; i < Math.min(entities, from + LINES); i += 1) {
      text += `${JSON.stringify({ id: `cancel-${i}`, lastName: `Name ${i}`, score: i % 101 })}\n`;
    }
    yield await Promise.resolve(text);
  }
}
