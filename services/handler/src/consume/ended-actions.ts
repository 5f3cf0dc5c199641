import { resultIdOf } from '@bulk/contracts';
import { createdAtOf, isAccepted, isFinal, type ActionIdentity, type StoredStatus } from '@bulk/domain';
import { stored, type Database } from '@bulk/mongo';

export interface EndedActionsOptions {
  /** How long an action that was unfinished counts as unfinished without another look, in ms. */
  readonly marginMs: number;
  readonly now: () => Date;
}

/** A batch by its name, with the number of its replay. */
export interface BatchGeneration {
  readonly identity: Pick<ActionIdentity, 'actionId'>;
  readonly batchNo: number;
  readonly generation: number;
}

interface Known {
  readonly ended: boolean;
  /** When the action was looked up, in ms since the epoch. */
  readonly at: number;
}

/** Actions that are remembered, at most. */
const REMEMBERED = 10_000;

/**
 * Recognises batches of actions that have ended, so that they are not applied again.
 *
 * Every position of an ended action has its outcome, so a batch of it that comes is a repetition: a consumer group started
 * from the beginning of its lane, or a handler died long ago before it committed. Its first positions and the tombstones of
 * what it deleted may be gone, so it must not be applied.
 *
 * A young action needs no look: its first positions are in Redis for twice the margin after its end. The action's id tells
 * when it was created. So the usual batch costs nothing, and an action that lasts costs one query per margin and process.
 */
export class EndedActions {
  readonly #database: Database;
  readonly #options: EndedActionsOptions;
  readonly #known = new Map<string, Known>();

  constructor(database: Database, options: EndedActionsOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Whether a batch is a repetition because its action has ended. A replay from the dead letters takes place after the end
   * of its action: it is a repetition once its own outcomes, or those of a later replay, are logged.
   *
   * @throws StoreError.
   */
  async isRepetition({ identity: { actionId }, batchNo, generation }: BatchGeneration): Promise<boolean> {
    if (!(await this.#hasEnded(actionId))) return false;
    return generation === 0 || (await this.#loggedGeneration(actionId, batchNo)) >= generation;
  }

  async #hasEnded(actionId: string): Promise<boolean> {
    const now = this.#options.now().getTime();
    const known = this.#known.get(actionId);
    if (known?.ended === true) return true;
    const unfinishedAt = known?.at ?? createdAtOf(actionId) ?? Number.NEGATIVE_INFINITY;
    if (now - unfinishedAt < this.#options.marginMs) return false;
    const action = await stored(
      this.#database.actions.findOne<{ status: StoredStatus }>(
        { _id: actionId },
        { projection: { status: 1 } },
      ),
    );
    const ended = action !== null && isAccepted(action.status) && isFinal(action.status);
    this.#remember(actionId, { ended, at: now });
    return ended;
  }

  async #loggedGeneration(actionId: string, batchNo: number): Promise<number> {
    const log = await stored(
      this.#database.actionLogs.findOne<{ generation?: number }>(
        { _id: resultIdOf(actionId, batchNo) },
        { projection: { generation: 1 } },
      ),
    );
    return log?.generation ?? 0;
  }

  #remember(actionId: string, known: Known): void {
    this.#known.delete(actionId);
    this.#known.set(actionId, known);
    if (this.#known.size <= REMEMBERED) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
