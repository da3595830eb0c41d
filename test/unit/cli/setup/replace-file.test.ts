import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Files, replaceFile } from '../../../../src/cli/setup/replace-file.ts';

const folder = fs.mkdtempSync(
  join(fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hg-replace-'),
);
t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'headgate.yaml');
const before = `# before\n${'old: 1\n'.repeat(40)}`;
const after = `# after\n${'new: 2\n'.repeat(60)}`;

class PowerCut extends Error {}

/** The real file system, three bytes at a time, until its power is cut after so many deeds. */
function cutAfter(deeds: number): Files {
  let left = deeds;
  const spend = () => {
    if (left-- <= 0) throw new PowerCut();
  };
  const limited = <Args extends readonly unknown[], Value>(deed: (...args: Args) => Value) => {
    return (...args: Args): Value => {
      spend();
      return deed(...args);
    };
  };
  return {
    openSync: limited(fs.openSync),
    fchmodSync: limited(fs.fchmodSync),
    fsyncSync: limited(fs.fsyncSync),
    closeSync: limited(fs.closeSync),
    renameSync: limited(fs.renameSync),
    rmSync: limited(fs.rmSync),
    // A cast: of the overloads only this one is used.
    writeSync: limited((file: number, bytes: Buffer, at: number) =>
      fs.writeSync(file, bytes, at, Math.min(3, bytes.length - at)),
    ) as typeof fs.writeSync,
  };
}

t.test(
  'settings are the old ones or the new ones, wherever the power is cut, and the next try works',
  (t) => {
    let cuts = 0;
    for (let deeds = 0; ; deeds++) {
      fs.writeFileSync(path, before);
      let isCut = false;
      try {
        replaceFile(path, after, 0o640, cutAfter(deeds));
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        isCut = true;
      }
      const text = fs.readFileSync(path, 'utf8');
      if (text !== before && text !== after)
        t.fail(`cut after ${deeds} deeds: ${text.length} bytes`);
      if (!isCut) {
        t.equal(text, after);
        break;
      }
      cuts++;
      replaceFile(path, after, 0o640);
      if (fs.readFileSync(path, 'utf8') !== after) t.fail(`no second try after ${deeds} deeds`);
    }
    t.ok(cuts > 100, `${cuts} cuts`);
    t.equal(fs.statSync(path).mode & 0o777, 0o640);
    t.same(fs.readdirSync(folder), ['headgate.yaml'], 'no draft is left');
    t.end();
  },
);

t.test('a disk that refuses leaves the old settings and no draft', (t) => {
  fs.writeFileSync(path, before);
  const full: Files = {
    ...fs,
    fsyncSync: () => {
      throw new Error('ENOSPC');
    },
  };
  t.throws(() => replaceFile(path, after, 0o640, full), /ENOSPC/);
  t.equal(fs.readFileSync(path, 'utf8'), before);
  t.same(fs.readdirSync(folder), ['headgate.yaml']);
  t.end();
});
