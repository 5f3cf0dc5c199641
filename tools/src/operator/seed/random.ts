/** A source of numbers in [0, 1). */
export type Random = () => number;

/**
 * Creates a source of random numbers: Mulberry32 (Tommy Ettinger, public domain), seeded by a text.
 *
 * The same text gives the same numbers on every machine, so that each record depends only on its
 * own number and not on how many there are.
 */
export function randomFor(text: string): Random {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Returns one of the choices.
 *
 * @throws RangeError if there is none.
 */
export function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new RangeError('nothing to pick from');
  return choice;
}

/** Returns a whole number from `min` to `max`, both included. */
export function between(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}
