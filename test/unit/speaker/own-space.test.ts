/** Whether a route touches our networks: beside a linear scan of them. */
import fc from 'fast-check';
import t from 'tap';
import { covers, makePrefix } from '../../../src/core/base/prefix.ts';
import { OwnSpace } from '../../../src/speaker/own-space.ts';

const anyPrefix = fc
  .tuple(fc.boolean(), fc.constantFrom(0, 10, 11, 64, 127, 128, 200, 255), fc.nat(3), fc.nat(32))
  .map(([isIpv4, first, second, length]) => {
    const bytes = new Uint8Array(isIpv4 ? 4 : 16);
    bytes[0] = first;
    bytes[1] = second * 64;
    return makePrefix(isIpv4 ? 4 : 6, bytes, length);
  });

t.test('a route touches our space when a network covers it, or it covers one', async () => {
  fc.assert(
    fc.property(fc.array(anyPrefix, { maxLength: 4 }), anyPrefix, (networks, route) => {
      const scanned = networks.some((own) => covers(own, route) || covers(route, own));
      const space = new OwnSpace(networks);
      // As in a message: only the octets that the length needs, behind others.
      const octets = route.bytes.subarray(0, (route.length + 7) >> 3);
      const message = Uint8Array.of(255, 255, ...octets);
      return space.touches(route.family, message, 2, route.length) === scanned;
    }),
    { numRuns: 2_000 },
  );
});
