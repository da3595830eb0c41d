import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ms } from '../../../../src/core/base/units.ts';
import { sendNotice } from '../../../../src/daemon/face/messenger.ts';
import { mailOf, type Notice, Notices } from '../../../../src/daemon/face/notices.ts';

const minute = 60_000;
const limits = { after: ms(2 * minute), perHour: 2 };
const complaint = (key: string, since: number, what = `${key} is down`) => ({ key, what, since });

t.test('a complaint is told when it has stood, once, and once more when it is over', async (t) => {
  const notices = new Notices('west');
  const told = (at: number, ...complaints: ReturnType<typeof complaint>[]) =>
    notices.turn(at, complaints, limits);
  t.equal(told(minute, complaint('north', 0)), undefined, 'it may pass by itself');
  t.match(told(2 * minute, complaint('north', 0)), {
    summary: 'headgate west: north is down',
    began: [{ what: 'north is down' }],
    ended: [],
  });
  t.equal(told(3 * minute, complaint('north', 0, 'north is down still')), undefined, 'other words');
  t.match(told(4 * minute), {
    summary: 'headgate west: over: north is down',
    ended: ['north is down'],
  });
  t.equal(told(5 * minute), undefined);
});

t.test('the hourly limit holds back, and what it held is told in the next', async (t) => {
  const notices = new Notices('west');
  const all = [complaint('a', 0), complaint('b', minute), complaint('c', 2 * minute)];
  const sent = Array.from({ length: 70 }, (_, i) =>
    notices.turn(
      i * minute,
      all.filter(({ since }) => since <= i * minute),
      limits,
    ),
  ).flatMap((notice, i) => (notice ? [{ i, ...notice }] : []));
  t.match(sent, [
    { i: 2, began: [{ key: 'a' }], held_back: 0 },
    { i: 3, began: [{ key: 'b' }], held_back: 0 },
    { i: 62, began: [{ key: 'c' }], held_back: 1 },
  ]);
  t.equal(sent.length, 3);
});

const notice: Notice = {
  unit: 'west',
  at: 1e12,
  summary: 'headgate west: Größe\r\nBcc: all@example.net',
  began: [complaint('north', 1e12)],
  ended: ['south is down'],
  held_back: 3,
};

t.test('a mail’s subject is one line of ASCII, whatever a complaint has', async (t) => {
  const mail = mailOf(notice, { to: ['noc@example.net'], sendmail: 'x' });
  t.match(mail, /^To: noc@example.net\nSubject: headgate west: Gr\?\?e\?\?Bcc: all@example.net\n/);
  t.match(mail, /\n\n! north is down \(since 2001-09-09T01:46:40Z\)\nover: south is down\n/);
});

t.test(
  'notices reach a webhook and the mail system; what fails says so, without the address',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hg-notices-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      request.on('data', (chunk) => bodies.push(String(chunk)));
      request.on('end', () => response.writeHead(request.url === '/good' ? 204 : 500).end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    // A cast: a server that listens on TCP has an AddressInfo.
    const { port } = server.address() as AddressInfo;
    const sendmail = join(folder, 'sendmail');
    writeFileSync(sendmail, `#!/bin/sh\necho "$@" >${folder}/args\nexec cat >${folder}/mail\n`);
    chmodSync(sendmail, 0o755);
    const to = { to: ['noc@example.net'], sendmail };
    const rest = { after: ms(0), perHour: 1 };
    const url = `http://127.0.0.1:${port}/good`;
    const none = () => '';
    t.same(await sendNotice(notice, { ...rest, webhook: { url }, mail: to }, none), []);
    t.match(JSON.parse(bodies.join('')), { unit: 'west', held_back: 3, began: [{ key: 'north' }] });
    t.equal(readFileSync(`${folder}/args`, 'utf8'), '-t -i\n');
    t.match(readFileSync(`${folder}/mail`, 'utf8'), /^To: noc@example.net\n/);

    const failed = await sendNotice(
      notice,
      { ...rest, webhook: { urlFile: '/hook' }, mail: { ...to, sendmail: '/nowhere' } },
      () => `http://127.0.0.1:${port}/secret`,
    );
    t.same(
      failed.map(({ code }) => code),
      ['webhook_failed', 'mail_failed'],
    );
    t.notMatch(failed.map(({ message }) => message).join(), /secret/);
    server.close();
    const gone = await sendNotice(
      notice,
      { ...rest, webhook: { url: 'http://127.0.0.1:1/secret' } },
      none,
    );
    t.match(gone, [{ message: 'the webhook of notices cannot be reached' }]);
  },
);
