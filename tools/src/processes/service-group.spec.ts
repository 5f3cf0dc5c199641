import { describe, expect, it } from '@jest/globals';
import { ServiceGroup } from './service-group.ts';
import { SERVICES } from './services.ts';

/** A service that is ready at once, and prints where it listens. */
const SCRIPT = `
  require('node:http').createServer((request, response) => response.end('{"components":{}}'))
    .listen(Number(process.env.ADMIN_PORT), '127.0.0.1');
  console.log(process.env.HOST + ' ' + process.env.ADMIN_HOST);
  process.on('SIGTERM', () => process.exit(0));
`;

async function whereTheyListen(env: Readonly<Record<string, string>>): Promise<string[]> {
  const lines: string[] = [];
  const group = await ServiceGroup.start({
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    mode: 'built',
    args: Object.fromEntries(SERVICES.map((name) => [name, ['-e', SCRIPT]])),
    output: () => ({ kind: 'lines', onLine: (line) => lines.push(line) }),
  });
  await group.stop();
  return lines;
}

describe('ServiceGroup', () => {
  it('starts services that only this machine can reach', async () => {
    expect(await whereTheyListen({})).toEqual(SERVICES.map(() => '127.0.0.1 127.0.0.1'));
  });

  it('starts services that listen where the environment says', async () => {
    const env = { HOST: '0.0.0.0', ADMIN_HOST: '127.0.0.2' };
    expect(await whereTheyListen(env)).toEqual(SERVICES.map(() => '0.0.0.0 127.0.0.2'));
  });
});
