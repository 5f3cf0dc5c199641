import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { portRewriter } from './advertised-address.ts';
import { BreakableLink } from './breakable-link.ts';
import { eventually } from './eventually.ts';

let echo: Server;
let received: string;
let link: BreakableLink;
const clients: Socket[] = [];
beforeEach(async () => {
  received = '';
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      received += String(piece);
      socket.write(piece);
    });
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  link = await BreakableLink.to('127.0.0.1', (echo.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await link.close();
  await new Promise((resolve) => echo.close(resolve));
});

interface Client {
  readonly socket: Socket;
  readonly heard: () => string;
}

async function client(): Promise<Client> {
  const socket = connect(link.port, '127.0.0.1');
  clients.push(socket);
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    heard += String(piece);
  });
  await once(socket, 'connect');
  return { socket, heard: () => heard };
}

const hears = ({ heard }: Client, text: string) => eventually(`hears ${text}`, () => heard() === text);
/** Many times as long as an echo takes on this machine. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 100));

describe('BreakableLink', () => {
  it('ends present and new connections after a break, until it is restored', async () => {
    const before = await client();
    before.socket.write('one');
    await hears(before, 'one');
    link.break();
    await eventually('the end', () => before.socket.destroyed);
    const during = await client();
    await eventually('its end', () => during.socket.destroyed);
    link.restore();
    const after = await client();
    after.socket.write('two');
    await hears(after, 'two');
    expect(link.opened).toBe(2);
  });

  it('swallows everything as a black hole, and delivers it when restored, even from clients that left', async () => {
    const before = await client();
    before.socket.write('one');
    await hears(before, 'one');
    link.blackHole();
    const during = await client();
    before.socket.write('two');
    during.socket.write('three');
    await aWhile();
    expect([received, before.heard(), during.heard()]).toEqual(['one', 'one', '']);
    before.socket.destroy();
    link.restore();
    await hears(during, 'three');
    await eventually('what was sent before it left', () => received.includes('two'));
  });

  it('accepts new connections after a hang, while old ones never recover', async () => {
    const before = await client();
    before.socket.write('one');
    await hears(before, 'one');
    link.hang();
    before.socket.write('two');
    const after = await client();
    after.socket.write('three');
    await hears(after, 'three');
    link.restore();
    await aWhile();
    expect([received, before.heard()]).toEqual(['onethree', 'one']);
    expect(before.socket.destroyed).toBe(false);
  });

  it('delays both directions', async () => {
    link.delay(60);
    const late = await client();
    const begin = performance.now();
    late.socket.write('one');
    await hears(late, 'one');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(118);
  });

  it('refuses a list of several brokers', async () => {
    await expect(BreakableLink.toKafka('127.0.0.1:1,127.0.0.1:2')).rejects.toThrow('one broker');
  });
});

describe('the rewriter of broker addresses', () => {
  const rewrite = { host: '127.0.0.1', from: 9_092, to: 40_000 };
  const address = (port: number) => Buffer.from([...Buffer.from('127.0.0.1'), 0, 0, port >> 8, port & 255]);
  const answer = (port: number) => {
    const content = Buffer.concat([Buffer.from('of '), address(port), Buffer.from('127.0.0.1')]);
    return Buffer.concat([Buffer.from([0, 0, 0, content.length]), content]);
  };

  it('changes the address however the answer is split, without waiting for the next answer', () => {
    const before = [answer(9_092), answer(9_093), answer(9_092)];
    const after = Buffer.concat([answer(40_000), answer(9_093), answer(40_000)]);
    const all = Buffer.concat(before);
    for (let at = 0; at <= all.length; at += 1) {
      const change = portRewriter(rewrite);
      expect(Buffer.concat([change(all.subarray(0, at)), change(all.subarray(at))])).toEqual(after);
    }
    const bytewise = portRewriter(rewrite);
    expect(Buffer.concat([...all].map((byte) => bytewise(Buffer.from([byte]))))).toEqual(after);
    expect(portRewriter(rewrite)(before[0]!)).toEqual(answer(40_000));
  });

  it('changes the address of each of several brokers once, even if a link has the port of another broker', () => {
    const change = portRewriter(rewrite, { host: '127.0.0.1', from: 9_093, to: 9_092 });
    expect(change(Buffer.concat([answer(9_092), answer(9_093), answer(9_094)]))).toEqual(
      Buffer.concat([answer(40_000), answer(9_092), answer(9_094)]),
    );
  });
});
