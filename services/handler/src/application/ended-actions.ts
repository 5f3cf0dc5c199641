import { resultIdOf } from '@bulk/contracts';
import { createdAtOf, isAccepted, isFinal, type ActionIdentity, type StoredStatus } from '@bulk/domain';
import { stored, type Database } from '@bulk/mongo';

export interface EndedActionsOptions {
  /** How long an unfinished action counts as unfinished without another look, in ms. */
  readonly marginMs: number;
  readonly now: () => Date;
}

/** A batch with the number of its replay. */
export interface BatchGeneration {
  readonly identity: Pick<ActionIdentity, 'actionId'>;
  readonly batchNo: number;
  readonly generation: number;
}

interface Known {
  readonly ended: boolean;
  /** Time of the last look at the action, in ms since the epoch. */
  readonly at: number;
}

/** Maximum number of actions that are remembered. */
const REMEMBERED = 10_000;

/**
 * Recognises batches of actions that have ended, so that they are not applied again.
 *
 * Every position of an ended action has its outcome, so any further batch is a repetition. Either a
 * consumer group started from the beginning of its lane, or a handler died long ago before it
 * committed. The action's first positions and the tombstones of the entities that it deleted may be
 * gone, so the batch must not be applied.
 *
 * A young action needs no look: Redis keeps its first positions for twice the margin after its end.
 * The action's id contains its creation time. So the usual batch costs nothing, and a long action
 * costs one query per margin and process.
 */
export class EndedActions {
  readonly #database: Database;
  readonly #options: EndedActionsOptions;
  readonly #known = new Map<string, Known>();
  /** The looks under way. The batches of a group of one action share a look. */
  readonly #looks = new Map<string, Promise<boolean>>();

  constructor(database: Database, options: EndedActionsOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Returns whether a batch is a repetition because its action has ended.
   *
   * A replay from the dead letters takes place after the end of its action. It is a repetition once
   * its own outcomes, or those of a later replay, are logged.
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
    const underWay = this.#looks.get(actionId);
    if (underWay !== undefined) return underWay;
    const look = this.#look(actionId, now).finally(() => this.#looks.delete(actionId));
    this.#looks.set(actionId, look);
    return look;
  }

  async #look(actionId: string, now: number): Promise<boolean> {
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
