/**
 * The expected Node of an image: one version, or every version from one on, as `engines` of
 * package.json says.
 */
export type NodeExpectation = { readonly exactly: string } | { readonly engines: string };

/**
 * Compares the Node of an image with what is expected.
 *
 * @param printed what `node --version` printed in the image.
 * @returns what is wrong, or undefined.
 */
export function nodeFault(printed: string, expected: NodeExpectation): string | undefined {
  const found = /^v(\d+\.\d+\.\d+)$/.exec(printed.trim())?.[1];
  if (found === undefined) return `expected a version of Node, found ${JSON.stringify(printed)}`;
  if ('exactly' in expected) {
    return found === expected.exactly ? undefined : `expected Node ${expected.exactly}, found ${found}`;
  }
  const least = /^>=(\d+(?:\.\d+)*)$/.exec(expected.engines)?.[1];
  if (least !== undefined && isAtLeast(found, least)) return undefined;
  return `expected Node ${expected.engines}, found ${found}`;
}

function isAtLeast(version: string, least: string): boolean {
  const [found, bound] = [version, least].map((text) => text.split('.').map(Number));
  for (const [i, number] of (bound ?? []).entries()) {
    const difference = (found?.[i] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
