import { describe, expect, it } from '@jest/globals';
import { nodeFault } from './node-version.ts';

describe('the Node of an image', () => {
  it('is as expected when it has exactly the declared version', () => {
    expect(nodeFault('v24.21.0\n', { exactly: '24.21.0' })).toBeUndefined();
  });

  it.each(['v20.20.2', 'v24.2.0', 'v24.21.1', 'v24.21.0-rc.1'])('is at fault when it is %s', (printed) => {
    expect(nodeFault(printed, { exactly: '24.21.0' })).toContain('expected');
  });

  it('is at fault when the image has none', () => {
    const fault = nodeFault('exec: "node": executable file not found', { exactly: '24.21.0' });
    expect(fault).toBe('expected a version of Node, found "exec: \\"node\\": executable file not found"');
  });

  it.each(['v20.19.0', 'v20.20.2', 'v24.0.0', 'v100.0.0'])(
    'is as expected when %s meets the engines of a base that somebody else chose',
    (printed) => {
      expect(nodeFault(printed, { engines: '>=20.19' })).toBeUndefined();
    },
  );

  it.each(['v20.18.9', 'v18.20.0', 'v9.30.0'])('is at fault when %s is older than the engines', (printed) => {
    expect(nodeFault(printed, { engines: '>=20.19' })).toContain('expected Node >=20.19');
  });

  it('is at fault when the engines have a form that is not known', () => {
    expect(nodeFault('v24.0.0', { engines: '^24' })).toContain('expected Node ^24');
  });
});
