import type { Lane } from '@bulk/domain';
import type { ActionDraft, SimulatedAction, Work } from './model/actions.ts';
import type { Installation } from './model/installation.ts';

/** Entities of a small action. */
const SMALL = 100;
const SMALL_ACCOUNTS = 50;
const SMALL_ACTIONS_OF_ACCOUNT = 10;
const WAIT_MS = 200;
/** An action that waits has this part of the records of a large one, as it takes longer. */
const WAITING_PART = 0.05;
/** Parts of the records that each lane has in the mix. */
const MIX_PART = 0.2;

/** A load whose throughput is measured. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** The lane whose window is shown, and in which small actions are measured during the load. */
  readonly lane: Lane;
  /** The work of the small actions that are measured during the load. */
  readonly work: Work;
  /** Starts the load. @returns its actions, when all of them are accepted. */
  readonly start: (installation: Installation) => Promise<SimulatedAction[]>;
}

/** Returns the scenarios for large actions of `records` entities. */
export function scenariosOf(records: number): Scenario[] {
  return [
    large('large', `one action of ${records.toLocaleString('en-US')} updates`, records, 'update'),
    {
      name: 'small',
      what: `${SMALL_ACCOUNTS * SMALL_ACTIONS_OF_ACCOUNT} actions of ${SMALL} updates of ${SMALL_ACCOUNTS} accounts`,
      lane: 'normal',
      work: 'update',
      start: startSmall,
    },
    {
      name: 'mix',
      what: `an action of ${(records * MIX_PART).toLocaleString('en-US')} updates in each lane`,
      lane: 'normal',
      work: 'update',
      start: (installation) =>
        Promise.all(
          (['high', 'normal', 'low'] as const).map((lane, i) =>
            submit(installation, i, draftOf(`mix-${lane}`, lane, records * MIX_PART, 'update')),
          ),
        ),
    },
    large(
      'waiting',
      `one action of ${(records * WAITING_PART).toLocaleString('en-US')} entities, ${WAIT_MS} ms per batch`,
      records * WAITING_PART,
      { waitMs: WAIT_MS },
    ),
  ];
}

/** One large action of a single account in lane normal. */
export function large(name: string, what: string, entities: number, work: Work): Scenario {
  return {
    name,
    what,
    lane: 'normal',
    work,
    start: async (installation) => [
      await submit(installation, 0, draftOf('large', 'normal', entities, work)),
    ],
  };
}

/**
 * Submits small actions one after the other and waits until the client has seen the end of each.
 *
 * @param intake number of the instance that receives the requests.
 * @returns how long each one took from its request, in ms.
 */
export async function smallActions(
  installation: Installation,
  { count, pauseMs, intake, lane, work }: SmallOptions,
): Promise<number[]> {
  const { engine, random } = installation.world;
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    await engine.wait(pauseMs * (0.5 + random.next()));
    const draft = { ...draftOf(`probe-${lane}`, lane, SMALL, work), id: `probe-${lane}-${i}` };
    const action = await submit(installation, intake, draft);
    await action.seen;
    times.push(engine.now() - action.requestedAt);
  }
  return times;
}

interface SmallOptions {
  readonly count: number;
  /** Mean pause before each of them, in ms. */
  readonly pauseMs: number;
  readonly intake: number;
  readonly lane: Lane;
  readonly work: Work;
}

async function startSmall(installation: Installation): Promise<SimulatedAction[]> {
  const accounts = Array.from({ length: SMALL_ACCOUNTS }, (_, i) => i);
  const actions = await Promise.all(
    accounts.map(async (account) => {
      const own: SimulatedAction[] = [];
      for (let i = 0; i < SMALL_ACTIONS_OF_ACCOUNT; i += 1) {
        const draft = draftOf(`account-${account}`, 'normal', SMALL, 'update');
        own.push(await submit(installation, account, { ...draft, id: `${draft.id}-${i}` }));
      }
      return own;
    }),
  );
  return actions.flat();
}

function submit({ intakes }: Installation, nth: number, draft: ActionDraft): Promise<SimulatedAction> {
  const intake = intakes[nth % intakes.length];
  return intake === undefined ? Promise.reject(new RangeError('no intake')) : intake.submit(draft);
}

function draftOf(accountId: string, lane: Lane, entities: number, work: Work): ActionDraft {
  return { id: `action-${accountId}`, accountId, lane, work, entities: Math.round(entities) };
}
