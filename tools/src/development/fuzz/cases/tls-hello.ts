/**
 * Builds the first record of a TLS 1.2 handshake: a ClientHello with a server name and two cipher
 * suites.
 */
export function clientHello(serverName: string): Buffer {
  const name = Buffer.from(serverName);
  const nameExtension = Buffer.concat([
    uint16(0),
    uint16(name.length + 5),
    uint16(name.length + 3),
    Buffer.from([0]),
    uint16(name.length),
    name,
  ]);
  const hello = Buffer.concat([
    uint16(0x0303),
    Buffer.alloc(32, 0x5a),
    Buffer.from([0]),
    uint16(4),
    uint16(0x1301),
    uint16(0xc02f),
    Buffer.from([1, 0]),
    uint16(nameExtension.length),
    nameExtension,
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), uint16(hello.length), hello]);
  return Buffer.concat([Buffer.from([0x16]), uint16(0x0301), uint16(handshake.length), handshake]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
