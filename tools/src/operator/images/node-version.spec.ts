import { describe, expect, it } from '@jest/globals';
import { nodeFault } from './node-version.ts';

describe('the Node version of an image', () => {
  it('is accepted when it is exactly the declared version', () => {
    expect(nodeFault('v24.21.0\n', { exactly: '24.21.0' })).toBeUndefined();
  });

  it.each(['v20.20.2', 'v24.2.0', 'v24.21.1', 'v24.21.0-rc.1'])('is refused when it is %s', (printed) => {
    expect(nodeFault(printed, { exactly: '24.21.0' })).toContain('expected');
  });

  it('is refused when the image has no Node', () => {
    const fault = nodeFault('exec: "node": executable file not found', { exactly: '24.21.0' });
    expect(fault).toBe('expected a version of Node, found "exec: \\"node\\": executable file not found"');
  });

  it.each(['v20.19.0', 'v20.20.2', 'v24.0.0', 'v100.0.0'])(
    'is as expected when %s meets the engines of a base that somebody else chose',
    (printed) => {
      expect(nodeFault(printed, { engines: '>=20.19' })).toBeUndefined();
    },
  );

  it.each(['v20.18.9', 'v18.20.0', 'v9.30.0'])(
    'is refused when %s is older than the engines permit',
    (printed) => {
      expect(nodeFault(printed, { engines: '>=20.19' })).toContain('expected Node >=20.19');
    },
  );

  it('is refused when the form of engines is unknown', () => {
    expect(nodeFault('v24.0.0', { engines: '^24' })).toContain('expected Node ^24');
  });
});
