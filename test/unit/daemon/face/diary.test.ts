import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AuditLog, verifyAudit } from '../../../../src/control/index.ts';
import { whole } from '../../../../src/core/base/slices.ts';
import { linkId, ms, prefixText, routerId } from '../../../../src/core/base/units.ts';
import type { Announcement, Desired } from '../../../../src/core/bgp/announcement.ts';
import { Diary } from '../../../../src/daemon/face/diary.ts';

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

/** A diary whose clock and log the test has in its hands. */
function open(name: string) {
  const path = join(folder, name);
  const log = new AuditLog(path);
  const time = { at: 1e12 };
  const diary = new Diary(
    log,
    () => time.at,
    (uid) => `user${uid}`,
  );
  const records = () => {
    const verified = verifyAudit(readFileSync(path, 'utf8'));
    if (!verified.ok) throw new Error(verified.error.message);
    return verified.value.records;
  };
  return { diary, log, time, records };
}

t.test(
  'reading commands are one record per caller and hour, and none is left at the end',
  async (t) => {
    const { diary, time, records } = open('reads.log');
    const lena = { role: 'control', uid: 7, pid: 9 } as const;
    for (let i = 0; i < 60; i++) diary.read({ command: 'status', caller: { ...lena, pid: i } });
    diary.read({ command: 'links', caller: lena });
    diary.read({ command: 'status', caller: { role: 'read', uid: 8, pid: 1 } });
    diary.tend();
    t.same(records(), [], 'not before the hour is over');
    time.at += 3_600_000;
    diary.tend();
    t.match(records(), [
      { what: 'read', who: 'user7 (uid 7)', detail: { commands: { status: 60, links: 1 } } },
      { what: 'read', who: 'user8 (uid 8)', detail: { commands: { status: 1 } } },
    ]);
    diary.tend();
    diary.read({ command: 'plan', caller: lena });
    diary.stopped();
    t.match(records().slice(2), [
      { what: 'read', detail: { commands: { plan: 1 } } },
      { what: 'stop' },
    ]);
  },
);

t.test('detours are told with their link and reason when they begin, change and end', async (t) => {
  const { diary, records } = open('detours.log');
  const detour = (link: string) => ({
    destination: prefixText('203.0.113.0/24'),
    link: linkId(link),
    nextHop: '10.0.0.1',
    from: linkId('north'),
    since: ms(0),
    because: 'overload' as const,
    text: 'north is above 90 %',
  });
  for (const links of [['south'], ['south'], ['east'], [], []]) {
    diary.detoured(links.map(detour), 'control');
  }
  t.match(
    records().map(({ detail }) => detail?.changes),
    [
      [{ prefix: '203.0.113.0/24', change: 'detour', link: 'south', why: 'north is above 90 %' }],
      [{ change: 'detour changed', link: 'east' }],
      [{ change: 'detour ended', link: 'east' }],
    ],
  );
});
