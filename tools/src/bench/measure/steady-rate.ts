/** How far an action was at some time. */
export interface Progress {
  /** Time in ms. */
  readonly at: number;
  /** Number of entities with an outcome. */
  readonly processed: number;
}

/** The start and the end of an action, which are left out, as parts of its entities. */
const START = 0.1;
const END = 0.9;

/**
 * Returns the rate of an action between a tenth and nine tenths of its entities, per second.
 *
 * The start and the end would make the rate depend on the length of the action.
 *
 * @returns `undefined` if fewer than two reports fall between them.
 */
export function steadyRate(reports: readonly Progress[], total: number): number | undefined {
  const between = reports.filter(({ processed }) => processed >= total * START && processed <= total * END);
  const [first, last] = [between.at(0), between.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return undefined;
  return (last.processed - first.processed) / ((last.at - first.at) / 1000);
}
