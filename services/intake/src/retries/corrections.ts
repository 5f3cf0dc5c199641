import {
  BY_ID,
  InvalidInputError,
  rowSchema,
  type FieldIssue,
  type IncomingEntity,
  type IncomingRow,
  type RowIdentity,
} from '@bulk/domain';
import { fieldIssues } from '@bulk/action-types';
import type { CorrectedEntity } from '@bulk/contracts';
import type { FailedRow } from '../submission/failed-entities.ts';
import { MAX_COLLECTED_ISSUES } from '../submission/parse-request.ts';

/** The members of a corrected entity that name its position, or that are handled apart. */
const NAMING: ReadonlySet<string> = new Set(['position', 'ref', 'id']);

const OPTIONAL_ID: RowIdentity = { by: 'optional-id' };

/** An entity of the request, by the failed position that it names. */
interface Correction {
  readonly index: number;
  readonly entity: CorrectedEntity;
  /** How it names its position: the field in an answer about a fault. */
  readonly field: string;
  /** The position that it was found to name; -1 before. */
  position: number;
}

/** How the rows of the action name their entities. */
export interface CorrectionsOptions {
  readonly identity: RowIdentity;
}

/** The corrected entities of a retry. Each must name one failed position. */
export class Corrections {
  readonly #byPosition = new Map<number, Correction>();
  readonly #byRef = new Map<string, Correction>();
  readonly #issues: FieldIssue[] = [];
  readonly #identity: RowIdentity;

  /** @throws InvalidInputError if a position or a ref is named twice. */
  constructor(entities: readonly CorrectedEntity[], { identity }: CorrectionsOptions) {
    this.#identity = identity;
    entities.forEach((entity, index) => {
      const { position, ref } = entity;
      const name = position === undefined ? 'ref' : 'position';
      const correction = { index, entity, field: `entities[${index}].${name}`, position: -1 };
      const earlier = position === undefined ? this.#byRef.get(ref ?? '') : this.#byPosition.get(position);
      if (earlier !== undefined) this.#repeated(correction, earlier);
      else if (position === undefined) this.#byRef.set(ref ?? '', correction);
      else this.#byPosition.set(position, correction);
    });
    this.#throwIfAny();
  }

  /**
   * Returns the entity in place of a failed one; undefined if the request does not correct it.
   *
   * Faults are collected; see `finish`.
   *
   * @param isLeftOut whether another retry tries the position, or has fixed it.
   */
  correct({ position, row }: FailedRow, isLeftOut: boolean): IncomingEntity | undefined {
    const named = this.#byPosition.get(position);
    const byRef = row.ref === null || row.ref === undefined ? undefined : this.#byRef.get(row.ref);
    if (named !== undefined && byRef !== undefined) this.#repeated(byRef, named);
    const correction = named ?? byRef;
    if (correction === undefined) return undefined;
    if (correction.position !== -1) {
      this.#add(
        correction.field,
        `expected the ref of one failed position, found it at positions ${correction.position} and ${position}`,
      );
    }
    correction.position = position;
    if (byRef !== undefined) byRef.position = position;
    if (isLeftOut) {
      this.#add(correction.field, 'expected a failed position; another retry tries it, or has fixed it');
      return undefined;
    }
    const fields = Object.entries(correction.entity).filter(([name]) => !NAMING.has(name));
    const id = correction.entity.id ?? this.#earlierId(row, correction.entity);
    // fromEntries, because a field may be called __proto__.
    const corrected = {
      ...Object.fromEntries(fields),
      ...(id === undefined ? {} : { id }),
      ...(row.ref === null ? {} : { ref: row.ref }),
    };
    const parsed = rowSchema(this.#identity.by === 'id' ? BY_ID : OPTIONAL_ID).safeParse(corrected);
    if (parsed.success) return corrected;
    for (const { field, message } of fieldIssues(parsed.error, ['entities', correction.index]))
      this.#add(field, message);
    return undefined;
  }

  /**
   * Checks that every entity has found its position. Call after the last failed row.
   *
   * @param total number of positions of the action.
   * @throws InvalidInputError that names every entity at fault.
   */
  finish(total: number): void {
    for (const { field, position } of this.#byRef.values())
      if (position === -1) this.#add(field, 'expected the ref of a failed position');
    for (const [named, { field, position }] of this.#byPosition) {
      if (position !== -1) continue;
      this.#add(
        field,
        named < total
          ? 'expected a failed position; this one did not fail'
          : `expected a position of the action, from 0 to ${total - 1}`,
      );
    }
    this.#throwIfAny();
  }

  /** Returns the id of a failed row; undefined if it has none, or the correction has the value that finds another one. */
  #earlierId({ id }: IncomingRow, entity: CorrectedEntity): string | undefined {
    const identity = this.#identity;
    if (id === '' || (identity.by === 'field' && Object.hasOwn(entity, identity.field))) return undefined;
    return id;
  }

  #repeated({ field }: Correction, { index }: Correction): void {
    this.#add(field, `expected each position once; entities[${index}] names it too`);
  }

  #add(field: string, message: string): void {
    if (this.#issues.length < MAX_COLLECTED_ISSUES) this.#issues.push({ field, message });
  }

  #throwIfAny(): void {
    if (this.#issues.length > 0)
      throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', this.#issues);
  }
}
