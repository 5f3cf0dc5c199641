/** A port that replaces another one after a host's name. */
export interface Rewrite {
  readonly host: string;
  readonly from: number;
  readonly to: number;
}

const LENGTH_BYTES = 4;

/**
 * Changes the addresses that brokers advertise, in any answer of Kafka's protocol: the host, then the port in four
 * bytes. The length stays, so the rest of the answer need not be understood.
 *
 * @returns a function that takes the pieces of one stream, in order. It keeps an answer until the whole answer has
 *   arrived, because the address may be cut in two.
 */
export function portRewriter(...rewrites: readonly Rewrite[]): (piece: Buffer) => Buffer {
  const addresses = rewrites.map(({ host, from, to }) => ({
    pattern: addressOf(host, from),
    replacement: addressOf(host, to),
  }));
  let kept = Buffer.alloc(0);
  return (piece) => {
    const data = Buffer.concat([kept, piece]);
    const end = endOfWholeAnswers(data);
    const said = data.subarray(0, end);
    // It searches the original bytes, so that one rewrite does not affect the result of another.
    const whole = Buffer.from(said);
    for (const { pattern, replacement } of addresses) {
      for (let at = said.indexOf(pattern); at >= 0; at = said.indexOf(pattern, at + pattern.length))
        replacement.copy(whole, at);
    }
    kept = data.subarray(end);
    return whole;
  };
}

function addressOf(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(host.length + 4);
  bytes.write(host, 'latin1');
  bytes.writeInt32BE(port, host.length);
  return bytes;
}

/** Returns the end of the last complete answer. Each answer starts with its length. */
function endOfWholeAnswers(data: Buffer): number {
  let end = 0;
  while (end + LENGTH_BYTES <= data.length) {
    const next = end + LENGTH_BYTES + data.readInt32BE(end);
    if (next > data.length) break;
    end = next;
  }
  return end;
}
