import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { AuditLog, verifyAudit } from '../../../src/control/index.ts';

// In memory where there is such a place: each of some thousand writes below waits for the disk.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hg-audit-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'audit.log');
const at = Date.UTC(2026, 0, 1);

function write(records: number, from = 0): string {
  const log = new AuditLog(path);
  for (let i = 0; i < records; i++) {
    log.append(at + i, { what: 'command', who: 'lena', why: `ticket ${from + i}` });
  }
  log.close();
  return readFileSync(path, 'utf8');
}

t.beforeEach(() => rmSync(path, { force: true }));

t.test('the chain goes on where the file ends', async (t) => {
  write(3);
  const text = write(2, 3);
  const verified = verifyAudit(text);
  t.match(verified, { ok: true, value: { torn: 0 } });
  if (!verified.ok) return;
  t.same(
    verified.value.records.map(({ n, why }) => [n, why]),
    [1, 2, 3, 4, 5].map((n) => [n, `ticket ${n - 1}`]),
  );
});

t.test('no record can be changed, taken out, added or moved', async (t) => {
  const lines = write(6).trimEnd().split('\n');
  const broken = (changed: readonly string[]) => !verifyAudit(`${changed.join('\n')}\n`).ok;
  t.notOk(broken(lines), 'as it was written it is whole');
  for (const i of lines.keys()) {
    const line = lines[i] ?? '';
    t.ok(broken(lines.with(i, line.replace('lena', 'hugo'))), `record ${i + 1} changed`);
    if (i < 5) t.ok(broken(lines.toSpliced(i, 1)), `record ${i + 1} taken out`);
    t.ok(broken(lines.toSpliced(i, 0, line)), `record ${i + 1} twice`);
    if (i < 5) t.ok(broken([...lines.slice(0, i), '{"n":', ...lines.slice(i + 1)]), 'replaced');
  }
  t.ok(broken([...lines.slice(1, 2), ...lines.slice(0, 1), ...lines.slice(2)]), 'moved');
  t.ok(broken([...lines, 'a line of another', lines[5] ?? '']), 'a stranger’s line');
});

t.test('a write cut at any byte loses that record and no other', async (t) => {
  const whole = Buffer.from(write(4));
  const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([i]) => i);
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(path, whole.subarray(0, cut));
    const log = new AuditLog(path);
    // A record whose line feed alone was cut is still there.
    const kept = ends.filter((end) => end <= cut).length;
    if (log.head.n !== kept) t.fail(`cut at ${cut}: ${log.head.n} records, expected ${kept}`);
    log.append(at, { what: 'start', who: 'the unit' });
    log.close();
    const verified = verifyAudit(readFileSync(path, 'utf8'));
    if (!verified.ok)
      t.fail(`cut at ${cut}: line ${verified.error.line} ${verified.error.message}`);
    else if (verified.value.records.length !== kept + 1) t.fail(`cut at ${cut}: records lost`);
  }
  t.ok(whole.length > 500, `${whole.length} cuts`);
});

t.test('bytes of zero, as a power failure leaves them, are a cut write', async (t) => {
  write(2);
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(100)]));
  const verified = verifyAudit(write(1, 2));
  t.match(verified, { ok: true, value: { torn: 1, records: { length: 3 } } });
});

t.test('any bytes are a verdict, never a throw', async (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const verified = verifyAudit(text);
      return verified.ok ? verified.value.records.length === 0 : verified.error.line > 0;
    }),
  );
  t.end();
});

t.test('a place that cannot be written is told with what to do', async (t) => {
  writeFileSync(path, '');
  t.throws(() => new AuditLog(join(path, 'audit.log')), {
    code: 'audit_failed',
    message: /set control.audit/,
  });
});
