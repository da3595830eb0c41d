import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AuditLog, verifyAudit } from '../../../src/control/index.ts';
import { whole } from '../../../src/core/base/slices.ts';
import { prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement, Desired } from '../../../src/core/bgp/announcement.ts';
import { Diary } from '../../../src/daemon/diary.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-diary-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const announcement = (prefix: string, prepend = 0): Announcement => ({
  prefix: prefixText(prefix),
  communities: [],
  largeCommunities: [],
  prepend,
});
const desired = (...announcements: readonly Announcement[]): Desired =>
  new Map([[routerId('br1'), announcements]]);

t.test(
  'every change of an announcement is kept, with the plan’s reason; no change is nothing',
  async (t) => {
    const path = join(folder, 'audit.log');
    const diary = new Diary(
      new AuditLog(path),
      () => 1e12,
      (uid) => `user${uid}`,
    );
    diary.started({ mode: 'control' });
    whole(diary.announced(desired(announcement('10.0.0.0/24')), undefined, 'control'));
    whole(diary.announced(desired(announcement('10.0.0.0/24')), undefined, 'control'));
    whole(
      diary.announced(
        desired(announcement('10.0.0.0/24', 1), announcement('10.0.1.0/24')),
        undefined,
        'control',
      ),
    );
    diary.acted({
      command: 'withdraw',
      args: { all: true, why: 'fibre cut' },
      caller: { role: 'control', uid: 7, pid: 9 },
      result: 'done',
    });
    whole(diary.announced(new Map(), undefined, 'control'));
    diary.stopped();
    diary.close();
    const verified = verifyAudit(readFileSync(path, 'utf8'));
    if (!verified.ok) throw new Error(verified.error.message);
    const { records } = verified.value;
    t.same(
      records.map(({ what }) => what),
      ['start', 'announce', 'announce', 'command', 'announce', 'stop'],
    );
    t.match(records[2]?.detail, {
      changes: [
        { router: 'br1', prefix: '10.0.0.0/24', change: 'changed' },
        { router: 'br1', prefix: '10.0.1.0/24', change: 'announced' },
      ],
    });
    t.match(records[3], {
      who: 'user7 (uid 7, pid 9)',
      why: 'fibre cut',
      detail: { command: 'withdraw', args: { all: true }, role: 'control', result: 'done' },
    });
    t.match(records[4]?.detail, { changes: [{ change: 'withdrawn' }, { change: 'withdrawn' }] });
  },
);

t.test('a thousand changes at once are one record of a bounded length', async (t) => {
  const path = join(folder, 'many.log');
  const diary = new Diary(new AuditLog(path), () => 1e12, String);
  const many = Array.from({ length: 1000 }, (_, i) => announcement(`10.${i >> 8}.${i & 255}.0/24`));
  whole(diary.announced(desired(...many), undefined, 'control'));
  diary.close();
  const text = readFileSync(path, 'utf8');
  t.ok(text.length < 20_000);
  t.match(JSON.parse(text), { detail: { more: 950, changes: { length: 50 } } });
});
