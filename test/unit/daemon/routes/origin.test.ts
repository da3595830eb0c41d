import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { prefixText } from '../../../../src/core/base/units.ts';
import { OriginCheck } from '../../../../src/daemon/routes/origin.ts';
import { VrpFile } from '../../../../src/daemon/routes/vrp-file.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

const block = prefixText('198.51.100.0/24');
const now = Date.UTC(2026, 0, 1);

function rig(t: Test, extra = '') {
  const folder = mkdtempSync(join(tmpdir(), 'hgvrps-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'vrps.json');
  const { rpki, asn } = settingsOf(`${twoLinks}rpki: { vrps: ${path}${extra} }\n`);
  if (!rpki) throw new Error('settings have no rpki');
  const check = new OriginCheck(new VrpFile(path, rpki.maxAge), rpki.requireRoa, asn);
  let written = now;
  const write = (text: string, ageMs = 0) => {
    writeFileSync(path, text);
    written += 1;
    utimesSync(path, new Date(), new Date(written - ageMs));
  };
  const roas = (...list: ReadonlyArray<readonly [string, number, number]>) =>
    JSON.stringify({
      roas: list.map(([prefix, maxLength, asn]) => ({ prefix, maxLength, asn: `AS${asn}` })),
    });
  const judge = () => {
    check.refresh(now + 1000);
    return check.of(block);
  };
  return { check, write, roas, judge };
}

t.test(
  'a more-specific that its ROA does not allow is refused, and the ROA is named',
  async (t) => {
    const { write, roas, judge, check } = rig(t);
    write(roas(['198.51.100.0/23', 23, 64512]));
    t.match(judge(), {
      roa: 'invalid',
      roaReason: /198\.51\.100\.0\/23-23 AS 64512.*raise its maxLength to 24/,
    });
    write(roas(['198.51.100.0/23', 24, 64512]));
    t.same(judge(), { roa: 'valid' }, 'read again when the file changed');
    write(roas(['198.51.100.0/23', 24, 65099]));
    t.match(judge(), { roa: 'invalid', roaReason: /ROAs of others/ });
    t.equal(check.complaint, undefined);
  },
);

t.test('what no ROA covers passes unless one is required', async (t) => {
  const plain = rig(t);
  plain.write(plain.roas(['192.0.2.0/24', 24, 64512]));
  t.same(plain.judge(), { roa: 'not_found' });
  const strict = rig(t, ', require_roa: true');
  strict.write(strict.roas(['192.0.2.0/24', 24, 64512]));
  t.match(strict.judge(), { roa: 'invalid', roaReason: /make one for AS 64512/ });
});

t.test('a file that is missing, damaged or old is stale, not trusted', async (t) => {
  const { write, roas, judge, check } = rig(t);
  t.match(judge(), { roa: 'stale' });
  t.match(check.complaint, /cannot be read/);
  write('{ "roas": 7 }');
  t.match(judge(), { roa: 'stale' });
  t.match(check.complaint, /no VRP/);
  write(roas(['198.51.100.0/23', 24, 64512]), 7 * 3_600_000);
  t.match(judge(), { roa: 'stale' });
  t.match(check.complaint, /is the validator running/);
  write(roas(['198.51.100.0/23', 24, 64512]));
  t.same(judge(), { roa: 'valid' });
  t.equal(check.complaint, undefined);
});
