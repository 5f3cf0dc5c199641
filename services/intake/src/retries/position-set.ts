/** Number of positions that the smallest set holds without growing. */
const SMALLEST = 1_024;

/** A set of positions. It takes one bit for each position up to the highest one. */
export class PositionSet {
  #bits = new Uint8Array(SMALLEST / 8);
  #size = 0;

  /** Number of positions in the set. */
  get size(): number {
    return this.#size;
  }

  has(position: number): boolean {
    return ((this.#bits[position >>> 3] ?? 0) & (1 << (position & 7))) !== 0;
  }

  /** Adds a position. @returns `false` if the set had it already. */
  add(position: number): boolean {
    if (this.has(position)) return false;
    const index = position >>> 3;
    if (index >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(index + 1, 2 * this.#bits.length));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[index] = (this.#bits[index] ?? 0) | (1 << (position & 7));
    this.#size += 1;
    return true;
  }
}
