import { describe, expect, it } from '@jest/globals';
import { isNetwork, NetworkPolicy } from './network-policy.ts';

describe('NetworkPolicy', () => {
  it.each([
    ...['8.8.8.8', '1.1.1.1', '100.63.255.255', '100.128.0.0', '172.15.255.255', '172.32.0.0'],
    ...['192.167.255.255', '198.17.255.255', '198.20.0.0', '223.255.255.255', '11.0.0.0'],
    ...['2606:4700:4700::1111', '2a00:1450:4001:800::200e', '2001:200::1'],
  ])('permits the public address %s', (address) => {
    expect(new NetworkPolicy([]).permits(address)).toBe(true);
  });

  it.each([
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254'],
    ...['168.63.129.16', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1'],
    ...['192.88.99.1', '192.168.0.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1'],
    ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1'],
    // Forms that hold an IPv4 address: mapped, compatible, translated, NAT64, 6to4, Teredo.
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1', '::ffff:0:127.0.0.1'],
    ...['64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '2002:7f00:1::1', '2001::1'],
    ...['100::1', '2001:db8::1', '3fff::1', '5f00::1', '4000::1'],
    ...['', 'localhost', '127.1', '0x7f000001', '1.2.3', '::1]'],
  ])('refuses %p', (address) => {
    expect(new NetworkPolicy([]).permits(address)).toBe(false);
  });

  it('permits exactly the additionally allowed addresses', () => {
    const policy = new NetworkPolicy(['10.1.0.0/16', '127.0.0.1/32', 'fd00:1::/32']);
    const permitted = ['10.1.0.0', '10.1.255.255', '127.0.0.1', '::ffff:127.0.0.1', 'fd00:1::5', '8.8.8.8'];
    const refused = ['10.0.255.255', '10.2.0.0', '127.0.0.2', '::ffff:127.0.0.2', 'fd00:2::5', '::1'];
    expect(permitted.filter((address) => !policy.permits(address))).toEqual([]);
    expect(refused.filter((address) => policy.permits(address))).toEqual([]);
  });
});

describe('isNetwork', () => {
  it.each(['10.0.0.0/8', '127.0.0.1/32', '0.0.0.0/0', 'fd00::/8', '::1/128'])('accepts %s', (text) => {
    expect(isNetwork(text)).toBe(true);
  });

  it.each([
    '',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0/8',
    'fd00::/129',
    'fe80::%1/10',
  ])('refuses %p', (text) => {
    expect(isNetwork(text)).toBe(false);
  });
});
